/** Every string of the replica page. */

import type { ExpiryChoice } from "$lib/api/generated/ExpiryChoice";
import type { ExpiryHandling } from "$lib/api/generated/ExpiryHandling";

export const replica = {
  start: "Start",
  starting: "Starting…",
  stop: "Stop",
  stopping: "Stopping…",
  restart: "Restart…",
  pause: "Pause",
  pauseHelp: "The links stay open and what the sources send is kept; nothing is applied.",
  resume: "Resume",
  check: "Check",
  checkHelp: "Looks at every server of this replica and changes nothing.",
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
    "Its definition, history and stored passwords are removed, and its checkpoints at the destination. The data there stays, with exact expiries; users that were made read-only get back what they had.",
  deleteRunning: "It is stopped first.",
  deleteNow: "Delete replica",
  keep: "Keep it",

  skip: "Skip and go on…",
  skipTitle: "Skip the command that failed?",
  skipText:
    "It is not executed at the destination: the key it names differs from the source from then on, until the source writes it anew. Everything behind it is applied. Restart loads everything again instead.",
  skipNow: "Skip and go on",
  leaveStopped: "Leave it stopped",
  editThis: "Edit…",

  expiry: {
    import_mode: "Expiry follows the source: the destination is in import mode.",
    held_back:
      "Expiry follows the source; until a key goes there, its TTL here reads 100 years longer.",
    exact: "Keys expire by the destination's own clock, at the times the sources set.",
  } satisfies Record<ExpiryHandling, string>,
  expiryWanted: {
    follow_source: "Expiry follows the source.",
    exact: "Keys expire by the destination's own clock, at the times the sources set.",
  } satisfies Record<ExpiryChoice, string>,
  importFull: "Expiry follows the source (import mode); at maxmemory writes are refused (OOM).",
  expiryHelp: {
    import_mode:
      "Keys wait for their source's DEL. In import mode the server neither expires nor evicts: at maxmemory it answers OOM.",
    held_back:
      "Keys wait for their source's DEL. This server has no import mode, so an expiry is carried 100 years late; deleting the replica sets the exact times.",
    exact: "After an outage a key may be gone here although its source has prolonged it.",
  } satisfies Record<ExpiryHandling, string>,
  lockedDown: (users: string): string => `Other users are read-only: ${users}.`,
  lockedDownNone: "There are no other users that could write.",
  lockProblem: "Other users of the destination can still write",
  lockWanted: "Other users of the destination are made read-only while it runs.",
  foreignTitle: (times: string): string => `Others write to the destination: noticed ${times}`,
  foreignOnce: "once",
  foreignTimes: (n: string): string => `${n} times`,
  foreignTodo:
    "What they write is not at the sources and may be overwritten or deleted. Let them write to a source, or make other users read-only.",
  foreignTodoLocked:
    "What they write is not at the sources and may be overwritten or deleted. They are not kept from it: see the events.",
  options: "Options…",

  sources: "Sources",
  columns: {
    status: "Status",
    source: "Source",
    lag: "Lag",
    last: "Last command",
    commands: "Commands/s",
    bytes: "Bytes/s",
    actions: "Details and actions",
  },
  details: (name: string): string => `Details of ${name}`,
  stopSource: (name: string): string => `Stop ${name}; the other sources go on`,
  startSource: (name: string): string => `Start ${name}`,
  stoppedByYou: "Stopped by you; the other sources go on.",
  stoppedByYouAlone: "Stopped by you; Start leaves it so while other sources run.",
  detail: {
    offsets: "Offsets",
    received: "Received",
    applied: "Applied",
    durable: "Durable",
    durableHelp: "Survives a restart of the destination.",
    behind: "Behind the source",
    commands: "Commands applied",
    waiting: "Waits to be applied",
    disk: "Spool on disk",
    diskOf: (used: string, quota: string): string => `${used} of ${quota}`,
    diskShared: "The quota is shared by all sources of this replica.",
    diskOff: "off",
    clock: "Clock",
    clockSame: "as the destination's",
    clockAhead: (by: string): string => `${by} ahead`,
    clockBehind: (by: string): string => `${by} behind`,
    omitted: "Left out",
    omittedHelp:
      "Keys of the snapshot that were left out, or kept without something, as the options of this replica allow. The event log lists them.",
    clockHelp:
      "The source's clock against the destination's. Lag and relative expiries are corrected by it.",
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
