/** Figures that move the way an engine's do. Never part of the product. */

import type { Phase } from "../generated/Phase";
import type { ReplicaDefinition } from "../generated/ReplicaDefinition";
import type { ReplicaLive } from "../generated/ReplicaLive";
import type { Series } from "../generated/Series";
import type { SeriesRange } from "../generated/SeriesRange";
import type { SourceLive } from "../generated/SourceLive";
import { SERVER, type Conditions, type Script } from "./fixtures";

const KEYS = 1_950_000;
const BYTES = 3_900_000_000;

export function lagAt(at: number, seed: number): number {
  const spike = (at / 1000 + seed * 37) % 97 < 3 ? 35 : 0;
  return Math.max(0.4, 9 + 4 * Math.sin(at / 7000 + seed) + 3 * Math.sin(at / 1300) + spike);
}

export function writesAt(at: number, seed: number): number {
  return Math.max(0, 12_000 / (seed + 1) + 2_400 * Math.sin(at / 9000 + seed) + (at % 997) * 2);
}

const BEGUN = Date.now() - 3 * 86_400_000;

/** How many times fewer bytes a relay sends. */
export function ratioAt(at: number, seed: number): number {
  return 4.3 + 0.25 * Math.sin(at / 11_000 + seed);
}

/** What goes over the wire, and what that costs. */
function wire(
  { tls, compression }: ReplicaDefinition["sources"][number]["endpoint"],
  script: Script,
  bytesPerSec: number | null,
  at: number,
  seed: number,
) {
  const gzip = compression && bytesPerSec !== null;
  const times = gzip ? ratioAt(at, seed) : 1;
  const bytes = script.phase === "stopped" ? 0 : Math.round(((at - BEGUN) / 1000) * 1_350_000);
  const wireBytes = Math.round(bytes / (compression ? 4.3 : 1));
  return {
    tls: tls !== null,
    insecure: tls?.insecure ?? false,
    compression,
    wireBytesPerSec: bytesPerSec === null ? null : bytesPerSec / times,
    bytes,
    wireBytes,
    ratio: gzip ? bytes / wireBytes : null,
    savedBytes: gzip ? bytes - wireBytes : null,
    relayBehind: gzip ? (script.behind ?? false) : null,
    relayCpu: gzip ? (script.behind ? 0.998 : 0.031 + 0.004 * Math.sin(at / 3000)) : null,
    decompressCpu: gzip ? 0.009 + 0.002 * Math.sin(at / 4000) : null,
  };
}

/** One source under a script, `age` ms after it began. */
export function simulate(
  source: ReplicaDefinition["sources"][number],
  script: Script,
  at: number,
  seed: number,
): SourceLive {
  const synced = script.status === "synced";
  const loading = script.phase === "loading";
  const progress = loading ? (script.progress ?? 0) : null;
  const part = (progress ?? 0) / 100;
  const bytesPerSec = synced ? writesAt(at, seed) * 112 : loading ? 48_000_000 : null;
  return {
    id: source.id,
    name: source.name,
    endpoint: source.endpoint.url.replace(/^rediss?:\/\/|\?.*$/g, ""),
    status: script.status,
    phase: script.phase,
    progress,
    bytesDone: loading ? BYTES * part : null,
    bytesTotal: loading ? BYTES : null,
    keys: loading ? Math.round(KEYS * part) : 0,
    keysTotal: loading ? KEYS : null,
    omitted: 0,
    timeLeftMs: loading ? (100 - (progress ?? 0)) * 1200 : null,
    lagMs: synced ? lagAt(at, seed) : null,
    lagBytes: synced ? 1200 : null,
    lastCommandAt: synced ? at - 40 : null,
    commandsPerSec: script.phase === "paused" ? 0 : synced ? writesAt(at, seed) : null,
    bytesPerSec,
    ...wire(source.endpoint, script, bytesPerSec, at, seed),
    received: 88_120_442,
    applied: 88_120_100,
    durable: null,
    commands: 4_000_000,
    spoolBytes: script.spool?.[0] ?? 0,
    spoolDiskBytes: script.spool?.[1] ?? 0,
    clockSkewMs: script.clockSkewMs ?? (synced ? 3 : null),
    retry: script.retry ?? null,
    failure: script.failure ?? null,
  };
}

const ORDER: Phase[] = [
  "stopped",
  "retrying",
  "paused",
  "connecting",
  "handshaking",
  "waiting_for_snapshot",
  "loading",
  "catching_up",
  "synced",
];

export function aggregate(
  definition: ReplicaDefinition,
  sources: SourceLive[],
  conditions: Conditions,
  at: number,
): ReplicaLive {
  // As in the engine: a source that the user stopped counts only where there is no other.
  const byUser = (source: SourceLive): boolean => source.phase === "stopped" && !source.failure;
  const rank = (source: SourceLive): number =>
    byUser(source) ? ORDER.length : ORDER.indexOf(source.phase);
  const worst = [...sources].sort((a, b) => rank(a) - rank(b))[0];
  const progresses = sources.map((s) => (s.status === "synced" ? 100 : (s.progress ?? 0)));
  const lags = sources.flatMap((s) => (s.lagMs === null ? [] : [s.lagMs]));
  const sum = (pick: (source: SourceLive) => number | null): number | null =>
    lags.length === 0 ? null : sources.reduce((total, source) => total + (pick(source) ?? 0), 0);
  return {
    id: definition.id,
    name: definition.name,
    destination: definition.destination.url.replace("redis://", ""),
    intent: definition.intent,
    status: worst?.status ?? "stopped",
    phase: worst?.phase ?? "stopped",
    progress: progresses.reduce((total, one) => total + one, 0) / Math.max(1, progresses.length),
    inStep: sources.filter((s) => s.status === "synced" && s.phase === "synced").length,
    total: sources.length,
    worstLagMs: lags.length === 0 ? null : Math.max(...lags),
    writesPerSec: sum((source) => source.commandsPerSec),
    bytesPerSec: sum((source) => source.bytesPerSec),
    wireBytesPerSec: sum((source) => source.wireBytesPerSec),
    insecure: [definition.destination, ...definition.sources.map((source) => source.endpoint)].some(
      (endpoint) => endpoint.tls?.insecure,
    ),
    failure: worst?.failure ?? null,
    server: worst?.phase === "stopped" && !worst.failure ? null : SERVER,
    ...conditions,
    verify: null,
    sources,
    lagSpark: Array.from({ length: 60 }, (_, index) =>
      lags.length === 0 ? null : lagAt(at - (59 - index) * 1000, 0),
    ),
  };
}

const STEPS: Record<SeriesRange, [span: number, step: number]> = {
  "5m": [300_000, 1000],
  "1h": [3_600_000, 10_000],
  "24h": [86_400_000, 60_000],
};

export function series(range: SeriesRange, now: number, empty: boolean): Series {
  const [span, step] = STEPS[range];
  const times = Array.from({ length: span / step }, (_, i) => now - span + (i + 1) * step);
  // A stretch without measurement, as after a stop.
  const gap = (at: number): boolean => empty || (at > now - span * 0.45 && at < now - span * 0.4);
  return {
    from: now - span,
    to: now,
    stepMs: step,
    times,
    lagMs: times.map((at) => (gap(at) ? null : lagAt(at, 0))),
    writesPerSec: times.map((at) => (gap(at) ? null : writesAt(at, 0) * 1.8)),
    bytesPerSec: times.map((at) => (gap(at) ? null : writesAt(at, 0) * 1.8 * 112)),
    wireBytesPerSec: times.map((at) =>
      gap(at) ? null : (writesAt(at, 0) * 1.8 * 112) / (ratioAt(at, 0) - 2.4),
    ),
    marks: empty
      ? []
      : [
          { at: now - span * 0.45, label: "The connection was lost", severity: "warning" },
          { at: now - span * 0.4, label: "Reconnected; went on", severity: "info" },
        ],
  };
}
