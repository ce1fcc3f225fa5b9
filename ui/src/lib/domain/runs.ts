import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";

/** Whether anything of a replica runs: a source that stopped, by itself or by the user, leaves the others running. */
export function runs(live: ReplicaLive | null): boolean {
  return live?.sources.some((source) => source.status !== "stopped") ?? false;
}
