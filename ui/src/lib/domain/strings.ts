/** Words shared by every view. */

import type { FailureAction } from "$lib/api/generated/FailureAction";
import type { Phase } from "$lib/api/generated/Phase";

export const domain = {
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
  lagSpark: "Worst lag of the last minute",
  keys: (n: string): string => `${n} keys`,
};

export const reviewing = {
  nothingDeleted: "Nothing is deleted.",
  resumable: "The destination holds this replica's checkpoint: it goes on from there.",
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
