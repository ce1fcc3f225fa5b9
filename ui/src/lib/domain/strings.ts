/** Words shared by every view. */

import type { CheckVerdict } from "$lib/api/generated/CheckVerdict";
import type { FailureAction } from "$lib/api/generated/FailureAction";
import type { Phase } from "$lib/api/generated/Phase";

export const domain = {
  unsupported: {
    label: "Data that the destination cannot hold",
    help: "Values go over in whatever form an older destination knows. What has no such form stops the sync, with the name of the first key, unless you choose to lose it here; each key is then listed in the event log.",
    helpLoad:
      "Values go over in whatever form an older destination knows. What has no such form ends the load, with the name of the first key, unless you choose to lose it here.",
    dropFieldExpiry: "Keep expiring fields of hashes without their expiry",
    skipModuleKeys: "Leave out keys of modules that the destination lacks",
    skipFunctions: "Leave out function libraries",
  },

  synced: "Synced",
  syncing: "Syncing",
  reconnecting: "Reconnecting",
  paused: "Paused",
  stopped: "Stopped",
  failed: "Sync stopped",
  phases: {
    connecting: "Connecting",
    handshaking: "Negotiating",
    waiting_for_snapshot: "The source prepares its snapshot",
    loading: "Loading the snapshot",
    catching_up: "Applying what was written meanwhile",
    synced: "In step",
    retrying: "Waits for the next attempt",
    paused: "Paused",
    stopped: "Stopped",
  } satisfies Record<Phase, string>,
  attempt: (attempt: number, next: string): string => `attempt ${attempt} ${next}`,
  inStep: (inStep: number, total: number): string => `${inStep} of ${total} in step`,
  action: {
    stops: "Tributary stopped this sync. Nothing more is applied until you start it again.",
    retries: "Tributary keeps its place and tries again on its own.",
  } satisfies Record<FailureAction, string>,
  since: (clock: string): string => `since ${clock}`,
  copyDetails: "Copy details",
  copied: "Copied",
  notCopied: "Not allowed here",
  waiting: (size: string): string => `${size} waiting`,
  lagSpark: "Worst lag of the last minute",
  keys: (n: string): string => `${n} keys`,
};

export const checking = {
  title: "Check",
  found: "What the check found",
  destination: "Destination",
  source: (name: string): string => `Source ${name}`.trim(),
  verdict: {
    ok: "in order",
    warning: "warning",
    fails: "to fix",
    unknown: "not told",
  } satisfies Record<CheckVerdict, string>,
  running: (lines: number): string => `Looking at the servers… ${lines} found so far`,
  toFix: "thing to fix",
  toFixMany: "things to fix",
  oneWarning: "warning",
  warnings: "warnings",
  notTold: "not told",
  clear: "Nothing stands in the way of a sync",
  nothing: "Nothing was found.",
  allInOrder: "All that was looked at is in order.",
  openOnly: "Only what is open",
  again: "Check again",
  copy: "Copy",
  close: "Close the check",
};

export const reviewing = {
  nothingDeleted: "Nothing is deleted.",
  joins: "new",
  database: (db: number): string => `db ${db}:`,
  everything: "Every database is emptied",
  onlyDatabases: "Only this database is emptied",
  functions: (n: string): string => `${n} deleted too`,
  functionLibrary: "function library",
  functionLibraries: "function libraries",
  memory: "in use",
  typeName: (name: string): string => `Type “${name}” to confirm`,
  sources: "Sources",
  deleted: "Deleted",
  source: "Source",
  endpoint: "Endpoint",
  keys: "Keys",
  refused: "This cannot be started",
};

/** How links are made. */
export const links = {
  tls: "TLS",
  unverified: "Unverified",
  unverifiedHelp: "TLS, but any certificate is accepted: verification is skipped.",
  gzip: "Compressed by a relay (gzip)",
  gzipBehind: "Compressed by a relay (gzip) that does not keep up",
};
