/** The text behind "Copy details", made of what is shown, which holds no secret; and what helps. */

import type { FailureView } from "$lib/api/generated/FailureView";
import { domain } from "./strings";

export function failureDetails(failure: FailureView, about: string, version: string): string {
  return [
    `${about}: ${failure.message}`,
    `endpoint: ${failure.endpoint}`,
    `kind: ${failure.kind}`,
    `since: ${new Date(failure.since).toISOString()}`,
    domain.action[failure.action],
    failure.hint,
    `Tributary ${version}`,
  ].join("\n");
}

/** What the window offers beside a failure; Start stands in the header. */
export type Remedy = "skip" | "restart" | "edit" | "source" | "options";

const REMEDIES: Record<string, readonly Remedy[]> = {
  command_failed: ["skip", "restart"],
  resync_needed: ["restart"],
  value_refused: ["restart"],
  unknown_value: ["restart"],
  corrupt_snapshot: ["restart"],
  destination_not_empty: ["restart"],
  wrong_password: ["edit"],
  not_redis: ["edit"],
  tls: ["edit"],
  not_relay: ["source"],
  read_only: ["edit"],
  same_database: ["edit"],
  cycle: ["edit"],
  spool_full: ["edit"],
  module_missing: ["options"],
  field_expiry_unknown: ["options"],
  functions_unknown: ["options"],
};

export function remediesOf(failure: FailureView): readonly Remedy[] {
  return failure.action === "stops" ? (REMEDIES[failure.kind] ?? []) : [];
}
