/** Every string of the create and edit view. */

export const edit = {
  createTitle: "New replica",
  editTitle: (name: string): string => `Edit ${name}`,
  steps: { destination: "Destination", sources: "Sources", review: "Review" },
  stepLabel: "Steps",
  cancel: "Cancel",
  back: "Back",
  next: { destination: "Continue to sources", sources: "Continue to review" },

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
  urlHelp: "Fills the fields below. redis://user:password@host:port/db, rediss:// for TLS.",
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
  passwordKept: "The stored password is used.",
  change: "Change",
  keep: "Keep the stored one",
  thisRunOnly: "Keep it for this run only, not in the keyring",
  tls: "Use TLS",
  sentinel: "Primary's name at the Sentinels",
  sentinelHelp: "Empty: the host above is the server itself.",
  sentinelHostHelp: "The host above is a list of Sentinels, with commas between.",

  options: "Options",
  spool: "Spool on disk, MiB",
  spoolHelp:
    "Room for what the sources send while the destination is slow, gone or paused. 0: memory only.",
  expiry: "Expiry",
  expiries: { follow_source: "Follow the sources", exact: "Exact times" },
  expiryHelp: {
    follow_source:
      "A key goes when its source deletes it, never earlier. Valkey 8.1 and later use import mode (OOM instead of eviction at maxmemory); elsewhere expiries are held back by 100 years until the replica is deleted.",
    exact:
      "Keys carry the source's times. After an outage a key may be gone although its source has prolonged it.",
  },
  askBeforeResync: "Ask before everything is deleted and loaded again",
  askHelp:
    "Otherwise a source that can no longer be gone on with leads to a full resync by itself.",
  lockDown: "Make the destination's other users read-only while this runs",
  lockDownHelp:
    "By ACL, from Redis 6.0 on. What they had is recorded at the destination and given back when it stops. Tributary needs a user of its own there.",

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
  reviewAgain: "Read again",
};
