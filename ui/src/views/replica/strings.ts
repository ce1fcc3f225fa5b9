/** Every string of the replica page. */

export const replica = {
  start: "Start",
  starting: "Starting…",
  stop: "Stop",
  stopping: "Stopping…",
  restart: "Restart…",
  pause: "Pause",
  pauseHint: "Links stay open and what the sources send is kept; nothing is applied.",
  resume: "Resume",
  checkIt: "Check",
  edit: "Edit",
  delete: "Delete…",
  endDemo: "End the demo",
  lag: "lag",
  keys: "keys",
  gone: "This replica no longer exists.",
  destination: "Destination",
  unknownServer: "not connected yet",
  memory: (used: string, limit: string | null): string =>
    limit === null ? used : `${used} of ${limit}`,

  restartTitle: "Restart from the beginning",
  startTitle: "The destination is not empty",
  readingReview: "Reading the destination and the sources…",
  deleteAndRestart: "Delete and restart",
  deleteAndStart: "Delete and start",
  restartNow: "Restart",
  startNow: "Start",
  cancel: "Cancel",
  deleteTitle: (name: string): string => `Delete the replica ${name}?`,
  deleteText:
    "Its definition, history and stored passwords are removed. The data at the destination stays, with its exact expiries; checkpoints are removed there and settings put back.",
  deleteRunning: "It is stopped first.",
  deleteNow: "Delete replica",
  keep: "Keep it",

  skip: "Skip and go on…",
  skipTitle: "Go on behind the command that failed?",
  skipText:
    "The rest of its transaction is at the destination already. What the command would have written is left out, so that key may differ from the source's from now on. Restart loads everything again instead.",
  skipNow: "Skip it and go on",

  check: {
    title: "Check",
    running: "Asking the servers. Nothing is changed there.",
    asking: "No answer yet.",
    nothing: "Nothing but what is in order.",
    clear: "Nothing stands in the way",
    thing: "thing stands in the way",
    things: "things stand in the way",
    warning: "warning",
    warningsWord: "warnings",
    unknowns: (n: number): string => `${n} not known`,
    verdicts: { ok: "ok", warning: "warning", fails: "fails", unknown: "unknown" },
    showNotable: "Hide what is ok",
    showAll: "Show all",
    copy: "Copy",
    again: "Check again",
    close: "Close the check",
  },

  details: {
    toggle: (name: string): string => `Details of ${name}`,
    received: "Received, offset",
    applied: "Applied, offset",
    durable: "Survives a restart, offset",
    behind: "Behind the source",
    waiting: "Waits in the spool",
    disk: "Spool on disk",
    ofQuota: (used: string, quota: string): string => `${used} of ${quota}`,
    skew: "Clock of the source",
    noSkew: "as the destination's",
    ahead: (by: string): string => `${by} ahead`,
    behindBy: (by: string): string => `${by} behind`,
    commands: "Commands since the start",
    stop: "Stop this source",
    stopNote: "The others go on. Its place and its data stay.",
    start: "Start this source",
    startNote: "It goes on from its place.",
  },

  notes: {
    label: "How it runs",
    expiry: {
      import_mode:
        "Expiry follows the sources: the destination is in import mode, and keys go when their source deletes them. At maxmemory it answers OOM instead of evicting.",
      held_back:
        "Expiry follows the sources: expiries are written 100 years late here, and keys go when their source deletes them. Deleting this replica sets the exact times.",
      exact:
        "Expiries are exact: after an outage a key may be gone here although its source has prolonged it.",
    },
    lockDown: "Other users of the destination are read-only while this runs.",
    ask: "Before everything is deleted and loaded again, it stops and asks.",
    foreign:
      "Another client writes to the destination: it is no longer a copy of the sources alone.",
    foreignSeen: (times: string): string => `Seen ${times}; the events name the first one.`,
    once: "time",
    times: "times",
    foreignOpen:
      "Point that client elsewhere, or make other users read-only under Edit. Restart makes the destination a copy again.",
    foreignLocked:
      "It is logged in as a user that could not be made read-only. Restart makes the destination a copy again.",
  },

  sources: "Sources",
  columns: {
    status: "Status",
    source: "Source",
    lag: "Lag",
    last: "Last command",
    commands: "Commands/s",
    bytes: "Bytes/s",
  },
  progressOf: (name: string): string => `Progress of ${name}`,
  keysLoaded: (keys: string): string => `${keys} keys`,
  keysOf: (keys: string, total: string): string => `${keys} of ${total} keys`,
  timeLeft: (left: string): string => `${left} left`,

  lagTitle: "Lag",
  throughputTitle: "Throughput",
  writes: "Writes/s",
  bytes: "Bytes/s",
  log: "Log scale",
  range: "Time range",
  ranges: { "5m": "5 min", "1h": "1 h", "24h": "24 h" },
  rangeWords: { "5m": "5 minutes", "1h": "hour", "24h": "24 hours" },
  scope: "Charts of",
  allSources: "All sources",
  noData: "Nothing was measured in this time.",
  table: "As a table",
  time: "Time",
  summary: (title: string, range: string, now: string, top: string): string =>
    `${title} over the last ${range}: now ${now}, at most ${top}.`,
  nothing: (title: string, range: string): string =>
    `${title} over the last ${range}: nothing was measured.`,

  events: "Events",
  noEvents: "Nothing happened yet.",
  severity: { info: "note", warning: "warning", error: "error" },
};
