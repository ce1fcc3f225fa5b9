/** Every string of the replica page. */

export const replica = {
  start: "Start",
  starting: "Starting…",
  stop: "Stop",
  stopping: "Stopping…",
  restart: "Restart…",
  edit: "Edit",
  delete: "Delete…",
  endDemo: "End the demo",
  lag: "lag",
  keys: "keys",
  gone: "This replica no longer exists.",
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
    "Its definition, history and stored passwords are removed. The data at the destination stays.",
  deleteRunning: "It is stopped first.",
  deleteNow: "Delete replica",
  keep: "Keep it",

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
