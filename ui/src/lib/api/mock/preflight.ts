/** What the mock's servers answer before anything is started. Never part of the product. */

import type { ReplicaCheckLine } from "../generated/ReplicaCheckLine";
import type { Review } from "../generated/Review";
import { failure } from "./fixtures";

/** `added`: what joins a replica that is there already. */
export function reviewOf(
  name: string,
  destination: string,
  sources: string[],
  added: string[] | null,
): Review {
  const joins = added ?? [];
  const resumable = added !== null && added.length === 0;
  const empty = destination.startsWith("empty");
  const keys = empty ? 0 : 4_112_930;
  return {
    destination,
    confirmName: name,
    keys,
    usedMemory: empty ? 0 : 2_100_000_000,
    databases: empty
      ? []
      : [
          { db: 0, keys: 4_112_918 },
          { db: 3, keys: 12 },
        ],
    deletesEverything: added === null,
    functions: empty ? 0 : 2,
    needsTyping: !empty && added === null,
    resumable,
    joins,
    sentence: resumable
      ? `${destination} holds the checkpoint of this replica: it goes on from there and deletes nothing.`
      : joins.length > 0
        ? `${destination} goes on with what it has; “${joins.join("”, “")}” is loaded beside it. Nothing is deleted.`
        : empty
          ? `${destination} is empty. Nothing is deleted; ${sources.length} sources are loaded.`
          : `This deletes 4,112,930 keys (2.1 GB) at ${destination}, then loads ${sources.length} sources.`,
    sources: sources.map((source, index) => ({
      name: source,
      url: `redis://${source}.internal:6379`,
      keys: index === 1 ? null : 1_950_000,
      failure: index === 1 ? failure("unreachable", `${source}.internal:6379`, Date.now()) : null,
    })),
    warnings: [
      "The destination evicts keys (maxmemory-policy allkeys-lru): its data will diverge.",
    ],
    refusal: null,
  };
}

type Answer = Pick<ReplicaCheckLine, "what" | "found" | "verdict" | "hint">;

const ok = (what: string, found: string): Answer => ({ what, found, verdict: "ok", hint: null });

const SOURCE: Answer[] = [
  ok("Reachable", "accepts connections"),
  ok("Version", "Redis 7.0.15"),
  ok("Role", "primary"),
  ok("Permissions", "user default may run PSYNC, REPLCONF, PING, INFO"),
  {
    what: "Backlog",
    found: "backlog of 1.0 MB holds 12 s of writes at 85 KB/s",
    verdict: "warning",
    hint: "A longer break costs a full sync. For 10 minutes: CONFIG SET repl-backlog-size 49mb",
  },
  {
    what: "Output buffer",
    found: "the server does not say its client-output-buffer-limit",
    verdict: "unknown",
    hint: "Let the user run CONFIG GET.",
  },
  ok("Identity", "not the destination, and not its replica or primary"),
];

const REFUSED: Answer[] = [
  {
    what: "Reachable",
    found: "the server refused the password for user default",
    verdict: "fails",
    hint: "Check the user name and the password of this endpoint, then start again.",
  },
];

const DESTINATION: Answer[] = [
  ok("Reachable", "accepts connections"),
  ok("Version", "Redis 7.0.15"),
  ok("Contents", "holds this replica's checkpoint: a sync goes on from there"),
  {
    what: "Eviction",
    found:
      "allkeys-lru: at 16.0 GB keys are deleted that the sources still have, and the data diverges",
    verdict: "fails",
    hint: "CONFIG SET maxmemory-policy noeviction",
  },
  ok("Expiry", "keys are held back from expiring until the source deletes them"),
];

/** The sources in their order, then the destination, as the engine does. */
export async function tellCheck(
  sources: [id: string, endpoint: string][],
  destination: string,
  onLine: (line: ReplicaCheckLine) => void,
): Promise<void> {
  for (const [index, [source, endpoint]] of sources.entries()) {
    for (const answer of index === 1 ? REFUSED : SOURCE) {
      await pause(60);
      onLine({ source, endpoint, ...answer });
    }
  }
  for (const answer of DESTINATION) {
    await pause(60);
    onLine({ source: null, endpoint: destination, ...answer });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
