/** Replicas for developing the views in a plain browser. Never part of the product. */

import type { EndpointView } from "../generated/EndpointView";
import type { FailureView } from "../generated/FailureView";
import type { Phase } from "../generated/Phase";
import type { ReplicaDefinition } from "../generated/ReplicaDefinition";
import type { ReplicaOptions } from "../generated/ReplicaOptions";
import type { Retry } from "../generated/Retry";
import type { ServerFacts } from "../generated/ServerFacts";
import type { Status } from "../generated/Status";

export function endpoint(host: string, port = 6379, db: number | null = null): EndpointView {
  const url = `redis://${host}:${port}${db === null ? "" : `/${db}`}`;
  return { host, port, sentinel: null, tls: false, username: null, db, hasPassword: true, url };
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
    options: OPTIONS,
    intent: "running",
    demo: false,
    createdAt: Date.now() - 86_400_000,
  };
}

export const OPTIONS: ReplicaOptions = {
  spoolQuotaMb: 4096,
  expiry: "follow_source",
  askBeforeResync: false,
  lockDown: false,
};

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
  unreachable: {
    message: "{} does not answer: connection refused.",
    hint: "See whether the server runs and whether a firewall stands in the way.",
    action: "retries",
  },
  command_failed: {
    message: "{} refused LPUSH “cart:4711”: WRONGTYPE Operation against a key of the wrong kind.",
    hint: "The destination no longer holds what the source holds. Look at the key; Restart loads everything again.",
    action: "stops",
  },
  resync_needed: {
    message: "All sources have to be loaded again: eu-west-1 no longer holds what follows.",
    hint: "Restart deletes the destination's data and loads all sources again.",
    action: "stops",
  },
  destination_oom: {
    message: "{} is out of memory (maxmemory 16.0 GB).",
    hint: "Raise maxmemory at the destination or delete keys there, then start again.",
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
};
