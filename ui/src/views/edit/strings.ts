/** Every string of the create and edit view. */

import type { ExpiryChoice } from "$lib/api/generated/ExpiryChoice";

export const edit = {
  createTitle: "New replica",
  editTitle: (name: string): string => `Edit ${name}`,
  steps: { destination: "Destination", sources: "Sources", options: "Options", review: "Review" },
  stepLabel: "Steps",
  cancel: "Cancel",
  back: "Back",
  next: {
    destination: "Continue to sources",
    sources: "Continue to options",
    options: "Continue to review",
  },

  name: "Name of the replica",
  nameHelp: "How it is called in this window.",
  destinationTitle: "Destination",
  destinationHelp: "The database written to. It becomes a copy of the sources.",
  sourcesTitle: "Sources",
  sourcesHelp: "The databases copied from, 1 to 32. Several sources land in one destination.",
  addSource: "Add source",
  removeSource: "Remove",
  sourceName: "Name of the source",
  untitled: "New source",

  url: "Paste a URL",
  urlHelp:
    "Fills the fields below. redis://user:password@host:port/db, rediss:// for TLS, redis+sentinel://host,host/name for Sentinels.",
  urlPlaceholder: "redis://…",
  fill: "Fill",
  host: "Host",
  port: "Port",
  db: "Database",
  dbSourceHelp: "Empty: all databases.",
  dbDestinationHelp: "Empty: all, same numbers.",
  username: "User",
  usernameHelp: "Empty: the default user.",
  password: "Password",
  passwordHelp: "Kept in the system's keyring only.",
  passwordRunOnlyHelp: "Kept in memory until Tributary is closed.",
  passwordOnceHelp: "For this load only; kept nowhere.",
  passwordKept: "The stored password is used.",
  change: "Change",
  keep: "Keep the stored one",
  thisRunOnly: "Keep it for this run only, not in the keyring",
  tls: "Use TLS",
  throughSentinels: "Ask Sentinels where the server is",
  sentinelHosts: "Sentinels",
  sentinelHostsHelp: "host or host:port, with commas between. Asked in this order.",
  sentinelPortHelp: "Of those that name none.",
  sentinelName: "Master name",
  sentinelNameHelp:
    "As in “sentinel monitor <name>”. User, password and TLS are for the server; the Sentinels are asked without.",

  optionsTitle: "Options",
  optionsHelp: "How this replica is run. All of it can be changed later, also while it runs.",
  spoolQuota: "Spool on disk, MB",
  spoolQuotaHelp:
    "What sources send while the destination is slow or away is kept up to this size, all sources together. 0 keeps it in memory only.",
  expiryLabel: "Keys that expire",
  expiry: { follow_source: "Follow the source", exact: "Exact times" } satisfies Record<
    ExpiryChoice,
    string
  >,
  expiryHelp: {
    follow_source:
      "A key goes when its source deletes it, never earlier. Valkey 8.1 and later do it by import mode, where writes are refused (OOM) at maxmemory instead of evicting. Elsewhere expiries read 100 years later until the replica is deleted.",
    exact:
      "Keys carry the times of the source and go by the destination's clock. After an outage a key may be gone although the source has prolonged it.",
  } satisfies Record<ExpiryChoice, string>,
  askBeforeResync: "Stop and ask before everything is deleted and loaded again",
  askBeforeResyncHelp:
    "When a source can no longer go on from the checkpoint, all sources have to be loaded again. Without this it happens at once, covered by the confirmation of the first start.",
  lockDown: "Make other users of the destination read-only while it runs",
  lockDownHelp:
    "By ACL, Redis 6.0 and later: write commands are taken from every user but Tributary's own, which nobody else may be using. What each user had is recorded at the destination first and given back when the replica stops.",

  test: "Test connection",
  testAgain: "Test again",
  testing: "Testing…",
  testLabel: "What the test found",
  verdict: { ok: "in order", warning: "worth a look", problem: "problem", running: "running" },

  reviewing: "Reading the destination and the sources…",
  destination: "Destination",
  sources: "Sources",
  keys: "keys",
  createAndStart: "Create and start",
  deleteAndStart: "Delete and start",
  create: "Create without starting",
  save: "Save",
  saveAndStart: "Save and start",
  runningNote:
    "It is running: names, options and the list of sources can be changed now. Stop it to change an endpoint.",
  applyTitle: "Saving changes what runs",
  applyJoins: (names: string, n: number): string =>
    `${names} ${n === 1 ? "begins" : "begin"} to load as soon as this is saved.`,
  applyLeaves: (names: string, n: number): string =>
    n === 1
      ? `${names} is removed with its checkpoint. What came from it stays at the destination.`
      : `${names} are removed with their checkpoints. What came from them stays at the destination.`,
  applyGoesOn: "The other sources go on from their checkpoints after a moment.",
  applyOptions: "The options apply after a moment: all sources go on from their checkpoints.",
  removedTitle: "Sources that are removed",
  checkTitle: "Check",
  checkNow: "Check the servers",
  checkHelp:
    "Permissions, versions, memory, buffers and clocks of every server. Nothing is changed.",
  reviewAgain: "Read again",
};
