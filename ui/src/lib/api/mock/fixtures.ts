/** Replicas for developing the views in a plain browser. Never part of the product. */

import type { EndpointDraft } from "../generated/EndpointDraft";
import type { EndpointView } from "../generated/EndpointView";
import type { FailureView } from "../generated/FailureView";
import type { Phase } from "../generated/Phase";
import type { ReplicaDefinition } from "../generated/ReplicaDefinition";
import type { ReplicaLive } from "../generated/ReplicaLive";
import type { Retry } from "../generated/Retry";
import type { ServerFacts } from "../generated/ServerFacts";
import type { Status } from "../generated/Status";
import type { TlsView } from "../generated/TlsView";
import { DEFAULT_OPTIONS } from "$lib/forms/options.svelte";

export function endpoint(host: string, port = 6379, db: number | null = null): EndpointView {
  const url = `redis://${host}:${port}${db === null ? "" : `/${db}`}`;
  return {
    host,
    port,
    sentinel: null,
    tls: null,
    compression: false,
    username: null,
    db,
    hasPassword: true,
    url,
  };
}

const DEFAULT_TLS: TlsView = {
  trust: { kind: "system" },
  serverName: null,
  identity: null,
  oldest: "1.2",
  insecure: false,
};

/** An endpoint whose link is encrypted, compressed, or both. */
export function linked(
  of: EndpointView,
  tls: Partial<TlsView> | null,
  compression: boolean,
): EndpointView {
  const view = tls && { ...DEFAULT_TLS, ...tls };
  const parameters = [
    ...(view?.trust.kind === "file" ? [`ca=${view.trust.path}`] : []),
    ...(view?.insecure ? ["insecure=true"] : []),
    ...(compression ? ["compress=gzip"] : []),
  ].join("&");
  const url =
    (view ? of.url.replace("redis:", "rediss:") : of.url) + (parameters && `?${parameters}`);
  return { ...of, tls: view, compression, url };
}

/** What is kept of a form's endpoint. */
export function kept(draft: EndpointDraft): EndpointView {
  const { identity, ...rest } = draft.tls ?? { identity: null };
  const view = endpoint(draft.host, draft.port, draft.db);
  const shown = identity && {
    certificate: identity.certificate,
    key: identity.key,
    hasPassphrase: identity.passphrase.kind !== "none",
  };
  return linked(view, draft.tls && { ...rest, identity: shown }, draft.compression);
}

export function definition(id: string, sources: number): ReplicaDefinition {
  return {
    id,
    name: id,
    destination: endpoint("10.0.3.7", 6379),
    sources: Array.from({ length: sources }, (_, index) => ({
      id: `${id}-${index}`,
      name: REGIONS[index % REGIONS.length] + (index >= REGIONS.length ? `-${index}` : ""),
      endpoint: endpoint(`redis-${index}.${id}.internal`, 6379 + index),
      stopped: false,
    })),
    options: DEFAULT_OPTIONS,
    intent: "running",
    demo: false,
    createdAt: Date.now() - 86_400_000,
  };
}

const REGIONS = ["eu-west-1", "eu-west-2", "eu-north", "us-east", "us-west", "ap-south"];

export const SERVER: ServerFacts = {
  product: "Redis",
  version: "7.0.15",
  keys: 4_112_930,
  usedMemory: 6_200_000_000,
  maxMemory: 16_000_000_000,
};

export function failure(kind: string, at: string, since: number): FailureView {
  const known = FAILURES[kind];
  if (!known) throw new Error(`no such failure in the mock: ${kind}`);
  return { kind, endpoint: at, since, ...known, message: known.message.replace("{}", at) };
}

const FAILURES: Record<string, Pick<FailureView, "message" | "hint" | "action">> = {
  wrong_password: {
    message: "{} refused the password for user default.",
    hint: "Enter the current password under Edit, then start again.",
    action: "stops",
  },
  not_relay: {
    message: "{} answers as a Redis server, not as a relay: the link cannot be compressed.",
    hint: "Turn compression off for this source, or give the address of a relay beside it (tributary relay).",
    action: "stops",
  },
  unreachable: {
    message: "{} does not answer: connection refused.",
    hint: "See whether the server runs and whether a firewall stands in the way.",
    action: "retries",
  },
  destination_oom: {
    message: "{} is out of memory (maxmemory 16.0 GB).",
    hint: "Raise maxmemory at the destination or delete keys there, then start again.",
    action: "stops",
  },
  command_failed: {
    message:
      "{} refused LPUSH on key queue:mail at offset 88120442: WRONGTYPE Operation against a key holding the wrong kind of value",
    hint: "The destination no longer holds what the source holds, or lacks a feature. Look at the key that is named above; Restart loads everything again.",
    action: "stops",
  },
  resync_needed: {
    message:
      "All sources have to be loaded again: the backlog of redis-0.profiles.internal:6379 no longer holds offset 51204.",
    hint: "Restart deletes the destination's data and loads all sources again. This replica is set to ask before it does.",
    action: "stops",
  },
};

/** What the simulation makes of a replica. */
export type Script = {
  status: Status;
  phase: Phase;
  progress?: number;
  failure?: FailureView;
  retry?: Retry;
  /** Bytes that wait to be applied, and those on disk. */
  spool?: [waiting: number, disk: number];
  clockSkewMs?: number;
  /** The relay cannot compress as fast as the source writes. */
  behind?: boolean;
};

/** What the destination of a replica is like. */
export type Conditions = Pick<
  ReplicaLive,
  "expiry" | "foreignWrites" | "foreignWrite" | "lockDown"
>;

export const CALM: Conditions = {
  expiry: "held_back",
  foreignWrites: 0,
  foreignWrite: null,
  lockDown: null,
};
