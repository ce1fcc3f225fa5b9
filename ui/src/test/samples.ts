/** Complete values for tests; each test overrides what it is about. */

import type { Backend } from "$lib/api/backend";
import type { DifferenceView } from "$lib/api/generated/DifferenceView";
import type { EndpointView } from "$lib/api/generated/EndpointView";
import type { EventView } from "$lib/api/generated/EventView";
import type { FailureView } from "$lib/api/generated/FailureView";
import type { ReplicaDefinition } from "$lib/api/generated/ReplicaDefinition";
import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";
import type { Review } from "$lib/api/generated/Review";
import type { SourceLive } from "$lib/api/generated/SourceLive";
import type { TlsView } from "$lib/api/generated/TlsView";
import type { VerifyLive } from "$lib/api/generated/VerifyLive";
import { createMock } from "$lib/api/mock/mock";
import { DEFAULT_OPTIONS } from "$lib/forms/options.svelte";

export const failure: FailureView = {
  kind: "wrong_password",
  message: "a:6379 refused the password.",
  hint: "Enter the current password.",
  endpoint: "a:6379",
  since: 1_000,
  action: "stops",
};

export function source(over: Partial<SourceLive> = {}): SourceLive {
  return {
    id: "s1",
    name: "eu-west",
    endpoint: "a:6379",
    status: "syncing",
    phase: "loading",
    progress: 10,
    bytesDone: null,
    bytesTotal: null,
    keys: 0,
    keysTotal: null,
    omitted: 0,
    timeLeftMs: null,
    lagMs: null,
    lagBytes: null,
    lastCommandAt: null,
    commandsPerSec: null,
    bytesPerSec: null,
    wireBytesPerSec: null,
    tls: false,
    insecure: false,
    compression: false,
    bytes: 0,
    wireBytes: 0,
    ratio: null,
    savedBytes: null,
    relayBehind: null,
    relayCpu: null,
    decompressCpu: null,
    received: 0,
    applied: 0,
    durable: null,
    commands: 0,
    spoolBytes: 0,
    spoolDiskBytes: 0,
    clockSkewMs: null,
    retry: null,
    failure: null,
    ...over,
  };
}

export function replica(over: Partial<ReplicaLive> = {}): ReplicaLive {
  return {
    id: "r1",
    name: "sessions",
    destination: "d:6379",
    intent: "running",
    status: "syncing",
    phase: "loading",
    progress: 10,
    inStep: 0,
    total: 1,
    worstLagMs: null,
    writesPerSec: null,
    bytesPerSec: null,
    wireBytesPerSec: null,
    insecure: false,
    failure: null,
    server: null,
    expiry: null,
    foreignWrites: 0,
    foreignWrite: null,
    lockDown: null,
    sources: [source()],
    lagSpark: [],
    verify: null,
    ...over,
  };
}

export function event(id: number, over: Partial<EventView> = {}): EventView {
  return {
    id,
    replicaId: "r1",
    sourceId: null,
    sourceName: null,
    at: id * 1000,
    severity: "info",
    message: `event ${id}`,
    hint: null,
    ...over,
  };
}

/** An endpoint; encrypted where `tls` says how. */
export function endpointView(host: string, tls: Partial<TlsView> | null = null): EndpointView {
  const usual: TlsView = {
    trust: { kind: "system" },
    serverName: null,
    identity: null,
    oldest: "1.2",
    insecure: false,
  };
  return {
    host,
    port: 6379,
    sentinel: null,
    tls: tls && { ...usual, ...tls },
    compression: false,
    username: null,
    db: null,
    hasPassword: true,
    url: `${tls ? "rediss" : "redis"}://${host}:6379`,
  };
}

export function definition(over: Partial<ReplicaDefinition> = {}): ReplicaDefinition {
  return {
    id: "r1",
    name: "sessions",
    destination: endpointView("d"),
    sources: [
      {
        id: "s1",
        name: "eu-west",
        endpoint: endpointView("a"),
        stopped: false,
      },
    ],
    intent: "stopped",
    options: DEFAULT_OPTIONS,
    demo: false,
    createdAt: 1,
    ...over,
  };
}

export function review(over: Partial<Review> = {}): Review {
  return {
    destination: "d:6379",
    confirmName: "sessions",
    keys: 12,
    usedMemory: 1_000_000,
    databases: [{ db: 0, keys: 12 }],
    deletesEverything: true,
    functions: 0,
    needsTyping: true,
    resumable: false,
    joins: [],
    sentence: "This deletes 12 keys (1.0 MB) at d:6379, then loads 1 source.",
    sources: [{ name: "eu-west", url: "redis://a:6379", keys: 3, failure: null }],
    warnings: [],
    refusal: null,
    ...over,
  };
}

/** An empty console of which a test replaces single commands. */
export function backend(over: Partial<Backend> = {}): Backend {
  return { ...createMock(new URLSearchParams("scenario=empty")), ...over };
}

/** A comparison in the middle of it. */
export function verification(over: Partial<VerifyLive> = {}): VerifyLive {
  return {
    run: 1,
    options: { mode: "fast", keysPerSecond: null },
    stage: "comparing",
    startedAt: 1_000,
    endedAt: null,
    followed: true,
    keysTotal: 1_000,
    keysDone: 500,
    sides: [],
    equal: 480,
    settling: 0,
    skipped: [],
    differences: 0,
    byKind: { missing: 0, extra: 0, type: 0, value: 0, expiry: 0 },
    listed: over.differences ?? 0,
    elapsedMs: 48_000,
    leftMs: null,
    keysPerSec: null,
    repair: null,
    failure: null,
    ...over,
  };
}

export function difference(over: Partial<DifferenceView> = {}): DifferenceView {
  return {
    id: 0,
    source: "eu-west",
    db: 0,
    key: "cart:1",
    kind: "value",
    sourceSays: "list of 2",
    destinationSays: "list of 3",
    repair: null,
    ...over,
  };
}
