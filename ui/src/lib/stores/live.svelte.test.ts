import { flushSync } from "svelte";
import { describe, expect, it } from "vitest";
import { event, failure, replica, source } from "../../test/samples";
import { EVENT_LIMIT, LiveStore } from "./live.svelte";

const loading = (progress: number | null) => replica({ progress, sources: [source({ progress })] });

describe("the live store", () => {
  it("wakes its readers once for a batch, whatever the number of sources", () => {
    const store = new LiveStore();
    const sources = Array.from({ length: 32 }, (_, i) => source({ id: `s${i}` }));
    let reads = 0;
    const stop = $effect.root(() => {
      $effect(() => {
        void store.replicas.flatMap((r) => r.sources.map((s) => s.lagMs));
        void store.at;
        reads += 1;
      });
    });
    flushSync();
    store.apply({ at: 5, replicas: [replica({ sources })], events: [event(1)] });
    flushSync();
    stop();
    expect(reads).toBe(2);
  });

  it("never lets progress go backwards while a load goes on", () => {
    const store = new LiveStore();
    for (const progress of [10, 42, 40, null, 41]) {
      store.apply({ at: 1, replicas: [loading(progress)], events: [] });
    }
    expect(store.replica("r1")?.sources[0]?.progress).toBe(42);
    expect(store.replica("r1")?.progress).toBe(42);
  });

  it("lets progress begin anew when the source prepares a new snapshot", () => {
    const store = new LiveStore();
    store.apply({ at: 1, replicas: [loading(80)], events: [] });
    const again = source({ phase: "waiting_for_snapshot", progress: 0 });
    store.apply({ at: 2, replicas: [replica({ progress: 0, sources: [again] })], events: [] });
    store.apply({ at: 3, replicas: [loading(3)], events: [] });
    expect(store.replica("r1")?.sources[0]?.progress).toBe(3);
    expect(store.replica("r1")?.progress).toBe(3);
  });

  it("keeps each event once, the newest first, and not without end", () => {
    const store = new LiveStore();
    store.addEvents([event(1), event(3)]);
    store.apply({ at: 1, replicas: [], events: [event(3), event(2)] });
    expect(store.eventsOf("r1").map((e) => e.id)).toEqual([3, 2, 1]);
    store.addEvents(Array.from({ length: EVENT_LIMIT + 10 }, (_, i) => event(i + 10)));
    expect(store.eventsOf("r1")).toHaveLength(EVENT_LIMIT);
    expect(store.eventsOf("r1")[0]?.id).toBe(EVENT_LIMIT + 19);
  });

  it("tells the change of a status, and nothing while figures move", () => {
    const store = new LiveStore();
    store.apply({ at: 1, replicas: [loading(1)], events: [] });
    store.apply({ at: 2, replicas: [loading(2)], events: [] });
    expect(store.lastChange).toBeNull();
    store.apply({ at: 3, replicas: [replica({ status: "stopped", failure })], events: [] });
    expect(store.lastChange).toMatchObject({ from: "syncing", to: "stopped" });
  });
});
