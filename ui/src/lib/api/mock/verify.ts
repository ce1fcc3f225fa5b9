/** Comparisons that run the way the engine's do. Never part of the product. */

import type { DifferenceKind } from "../generated/DifferenceKind";
import type { DifferencePage } from "../generated/DifferencePage";
import type { DifferenceView } from "../generated/DifferenceView";
import type { ReplicaDefinition } from "../generated/ReplicaDefinition";
import type { VerifyLive } from "../generated/VerifyLive";
import type { VerifyOptions } from "../generated/VerifyOptions";
import type { VerifyStage } from "../generated/VerifyStage";
import { countKinds } from "$lib/domain/verify";
import { failure } from "./fixtures";

const SOURCE_KEYS = 1_370_976;
/** Milliseconds of a whole comparison. */
const TAKES = 12_000;
const LISTED = 10_000;

const SAYS: Record<DifferenceKind, readonly [source: string, destination: string]> = {
  missing: ["hash of 12", "no such key"],
  extra: ["no such key", "string of 48 B"],
  type: ["list of 3", "string of 12 B"],
  value: ["string of 1,204 B", "string of 1,198 B"],
  expiry: ["expires 2026-11-23 08:23:26.118 UTC", "does not expire"],
};
const PATTERN: readonly DifferenceKind[] = [
  "value",
  "missing",
  "value",
  "expiry",
  "extra",
  "value",
  "type",
  "missing",
];
const KEYS = [
  "session:7f3a9c1e",
  "cart:4711:items",
  "user:{88120}:profile:preferences:notifications:email:weekly-digest:eu-west-1:v2",
  "rate\\x00limit\\xff:10.0.9.4",
  "größe:€:42",
  "queue:mail",
  "",
  "leaderboard:2026-11",
];

/** One comparison of one replica, by the clock. */
export class MockVerify {
  private readonly startedAt = Date.now();
  private stoppedAt: number | null = null;
  private readonly found: DifferenceView[];
  private repairs: { from: number; ids: number[] } | null = null;

  constructor(
    readonly run: number,
    private readonly definition: ReplicaDefinition,
    private readonly options: VerifyOptions,
    private readonly followed: boolean,
    private readonly total: number,
    private readonly fails: boolean,
  ) {
    this.found = Array.from({ length: Math.min(total, LISTED) }, (_, id) => this.difference(id));
  }

  private difference(id: number): DifferenceView {
    const kind = PATTERN[id % PATTERN.length] ?? "value";
    const [sourceSays, destinationSays] = SAYS[kind];
    const key = KEYS[id % KEYS.length] ?? "";
    const { sources } = this.definition;
    return {
      id,
      source: kind === "extra" ? null : (sources[id % sources.length]?.name ?? null),
      db: id % 11 === 3 ? 3 : 0,
      key: id < KEYS.length ? key : `${key}:${id}`,
      kind,
      sourceSays,
      destinationSays,
      repair: null,
    };
  }

  stop(): void {
    if (this.progress(Date.now()) < 1) this.stoppedAt ??= Date.now();
  }

  repair(chosen: readonly number[] | null): void {
    const open = this.found.filter(({ repair }) => repair?.outcome !== "repaired");
    const ids = open.map(({ id }) => id).filter((id) => chosen?.includes(id) ?? true);
    this.repairs = { from: Date.now(), ids };
  }

  /** Ten a batch, or as many as it takes to be done in three seconds. */
  private repaired(now: number): number {
    if (!this.repairs) return 0;
    const pace = Math.max(1, this.repairs.ids.length / 12);
    const done = Math.min(
      this.repairs.ids.length,
      Math.floor(((now - this.repairs.from) / 250) * pace),
    );
    for (const id of this.repairs.ids.slice(0, done)) {
      const difference = this.found[id];
      if (!difference || difference.repair) continue;
      difference.repair =
        id % 8 === 6
          ? {
              outcome: "not_repaired",
              why: "The destination is out of memory (maxmemory 16.0 GB).",
            }
          : { outcome: id % 8 === 5 ? "equal" : "repaired", why: null };
    }
    return done;
  }

  private progress(now: number): number {
    return Math.min(1, ((this.stoppedAt ?? now) - this.startedAt) / TAKES);
  }

  live(now: number): VerifyLive {
    const progress = this.progress(now);
    const repaired = this.repaired(now);
    const asked = this.repairs?.ids.length ?? 0;
    const broken = this.fails && progress > 0.3;
    const done = broken ? 0.3 : progress;
    const keysTotal = SOURCE_KEYS * this.definition.sources.length * 2;
    const listed = this.known(done).length;
    const shown = listed === this.found.length ? this.total : listed;
    const stage = this.stage(done, broken, repaired < asked);
    const over = progress === 1 || this.stoppedAt !== null || broken;
    const ended = this.stoppedAt ?? this.startedAt + (broken ? 0.3 : 1) * TAKES;
    const kinds = countKinds(this.known(done).map(({ kind }) => kind));
    const bad = repaired - this.found.filter((d) => d.repair && d.repair.why === null).length;
    return {
      run: this.run,
      options: this.options,
      stage,
      startedAt: this.startedAt,
      endedAt: over ? ended : null,
      followed: this.followed,
      keysTotal: done > 0.04 ? keysTotal : null,
      keysDone: Math.round(keysTotal * Math.min(1, done / 0.9)),
      sides: done > 0.04 ? this.sides() : [],
      equal: Math.max(0, Math.round(Math.min(1, done / 0.6) * (keysTotal / 2)) - shown),
      settling: over ? 0 : Math.round(8 + 5 * Math.sin(now / 700)),
      skipped:
        this.definition.name === "ledger" && over
          ? [
              {
                why: "type ReJSON-RL: source and destination are different products",
                keys: 12,
                example: "doc:4711",
              },
            ]
          : [],
      differences: shown,
      byKind: kinds,
      listed,
      elapsedMs: (over ? ended : now) - this.startedAt,
      leftMs: over || done < 0.1 ? null : (1 - done) * TAKES,
      keysPerSec: over || done < 0.06 ? null : keysTotal / (TAKES / 1000),
      repair: asked === 0 ? null : { asked, repaired: repaired - bad, notRepaired: bad },
      failure: broken ? failure("unreachable", "redis-0.carts.internal:6379", now) : null,
    };
  }

  private stage(done: number, broken: boolean, repairing: boolean): VerifyStage {
    if (broken) return "failed";
    if (this.stoppedAt !== null) return "stopped";
    if (done === 1) return repairing ? "repairing" : "done";
    if (done < 0.04) return "counting";
    return done < 0.6 ? "comparing" : done < 0.9 ? "extra" : "settling";
  }

  private known(done: number): DifferenceView[] {
    return this.found.slice(0, Math.floor(this.found.length * Math.min(1, done / 0.95)));
  }

  private sides(): VerifyLive["sides"] {
    const { sources, destination } = this.definition;
    const address = (url: string): string => url.replace(/^rediss?:\/\//, "");
    return [
      ...sources.map((source) => ({
        source: source.name,
        endpoint: address(source.endpoint.url),
        keys: SOURCE_KEYS,
      })),
      {
        source: null,
        endpoint: address(destination.url),
        keys: SOURCE_KEYS * sources.length + sources.length + 1,
      },
    ];
  }

  page(kind: DifferenceKind | null, offset: number, limit: number): DifferencePage {
    const known = this.known(this.progress(Date.now()));
    const wanted = known.filter((difference) => kind === null || difference.kind === kind);
    const open = known.filter(({ repair }) => !repair || repair.outcome === "not_repaired");
    return {
      run: this.run,
      total: wanted.length,
      offset,
      open: countKinds(open.map((difference) => difference.kind)),
      differences: wanted.slice(offset, offset + limit).map((difference) => ({ ...difference })),
    };
  }
}
