/** Which buttons fit the state of a replica. */

import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";
import type { SourceLive } from "$lib/api/generated/SourceLive";

/** Whether the engine works on any of its sources: one that stopped does not end the others. */
export function isWorking(live: ReplicaLive | null): boolean {
  return live?.sources.some((source) => source.status !== "stopped") ?? false;
}

/** Whether a start would take up sources that an error has stopped. */
export function hasFailed(live: ReplicaLive | null): boolean {
  return live?.sources.some((source) => source.status === "stopped" && source.failure) ?? false;
}

export function isPaused(live: ReplicaLive | null): boolean {
  return isWorking(live) && live?.intent === "paused";
}

/** What was received and waits, all sources together. */
export function waiting(sources: readonly SourceLive[]): number {
  return sources.reduce((sum, source) => sum + source.spoolBytes, 0);
}
