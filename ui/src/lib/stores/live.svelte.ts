/**
 * What the engine reports, as the views read it. A batch replaces the state in one assignment, so
 * that the window is drawn once per batch whatever the number of sources.
 */

import type { EventView } from "$lib/api/generated/EventView";
import type { FileLoadLive } from "$lib/api/generated/FileLoadLive";
import type { LiveBatch } from "$lib/api/generated/LiveBatch";
import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";
import type { SourceLive } from "$lib/api/generated/SourceLive";
import type { Status } from "$lib/api/generated/Status";

/** Events kept in memory for a replica; older ones stay in the database. */
export const EVENT_LIMIT = 500;

export type StatusChange = { replica: ReplicaLive; from: Status; to: Status };

export class LiveStore {
  /** When the last batch was taken; views derive "12 s ago" from it. */
  at = $state(Date.now());
  replicas: ReplicaLive[] = $state.raw([]);
  /** The load of a file that runs, or the last one. */
  fileLoad: FileLoadLive | null = $state.raw(null);
  events: ReadonlyMap<string, readonly EventView[]> = $state.raw(new Map());
  /** The last change of a status, for the screen reader. */
  lastChange: StatusChange | null = $state.raw(null);

  apply(batch: LiveBatch): void {
    const before = new Map(this.replicas.map((replica) => [replica.id, replica]));
    const next = batch.replicas.map((replica) => steady(before.get(replica.id), replica));
    for (const replica of next) {
      const from = before.get(replica.id)?.status;
      if (from !== undefined && from !== replica.status) {
        this.lastChange = { replica, from, to: replica.status };
      }
    }
    this.at = batch.at;
    this.replicas = next;
    this.fileLoad = batch.fileLoad ?? null;
    if (batch.events.length > 0) this.addEvents(batch.events);
  }

  replica(id: string): ReplicaLive | null {
    return this.replicas.find((replica) => replica.id === id) ?? null;
  }

  eventsOf(id: string): readonly EventView[] {
    return this.events.get(id) ?? [];
  }

  /** Merges what was read from the database or pushed: newest first, each once. */
  addEvents(events: readonly EventView[]): void {
    const merged = new Map(this.events);
    for (const id of new Set(events.map((event) => event.replicaId))) {
      const added = events.filter((event) => event.replicaId === id);
      const byId = new Map((merged.get(id) ?? []).map((event) => [event.id, event]));
      for (const event of added) byId.set(event.id, event);
      const sorted = [...byId.values()].sort((a, b) => b.at - a.at || b.id - a.id);
      merged.set(id, sorted.slice(0, EVENT_LIMIT));
    }
    this.events = merged;
  }

  forget(id: string): void {
    this.replicas = this.replicas.filter((replica) => replica.id !== id);
    const events = new Map(this.events);
    events.delete(id);
    this.events = events;
  }
}

/** Phases in which a load begins anew, so that its progress does too. */
const FRESH = new Set(["connecting", "handshaking", "waiting_for_snapshot", "stopped"]);

function steady(before: ReplicaLive | undefined, now: ReplicaLive): ReplicaLive {
  if (!before) return now;
  const earlier = new Map(before.sources.map((source) => [source.id, source]));
  const sources = now.sources.map((source) => steadySource(earlier.get(source.id), source));
  const restarted = now.sources.some((source) => FRESH.has(source.phase));
  const progress = restarted ? now.progress : highest(before, now);
  return { ...now, sources, progress };
}

function steadySource(before: SourceLive | undefined, now: SourceLive): SourceLive {
  if (!before || FRESH.has(now.phase)) return now;
  const progress = highest(before, now);
  return progress === now.progress ? now : { ...now, progress };
}

type Progressing = { status: Status; progress: number | null };

/** Progress never goes backwards while a load goes on. */
function highest(before: Progressing, now: Progressing): number | null {
  if (now.status !== "syncing" || before.status !== "syncing") return now.progress;
  if (now.progress === null || before.progress === null) return now.progress ?? before.progress;
  return Math.max(before.progress, now.progress);
}
