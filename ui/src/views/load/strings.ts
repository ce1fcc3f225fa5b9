/** Every string of the view that loads a file. */

import type { ExistingKeys } from "$lib/api/generated/ExistingKeys";
import type { FileLoadPhase } from "$lib/api/generated/FileLoadPhase";

export const load = {
  title: "Load a file",
  lead: "A dump file (RDB) of Redis or Valkey, loaded into a database once.",
  fileTitle: "File",
  path: "Path",
  pathHelp: "As SAVE, BGSAVE or redis-cli --rdb write it, on this machine.",
  pathPlaceholder: "/var/lib/redis/dump.rdb",
  choose: "Choose…",
  db: "Database of the file",
  dbHelp: "Empty: all, same numbers.",
  destinationTitle: "Destination",
  existingTitle: "Keys that are there",
  existing: {
    refuse: "There must be none",
    replace: "Load beside them",
    flush: "Delete them first",
  } satisfies Record<ExistingKeys, string>,
  existingHelp: {
    refuse: "A destination that holds keys is refused.",
    replace: "What is there stays. Keys of the same name are replaced.",
    flush:
      "The file is read to its end once before anything is deleted, so that nothing goes for a damaged one.",
  } satisfies Record<ExistingKeys, string>,
  dumpOnly: "Load the dump alone, without the commands that follow it",
  appendOnlyTitle: "This is the beginning of an append only file",
  appendOnly:
    "Writes that came later stand behind it or in other files, and are not loaded. For all of it have a redis-server load the file, run SAVE there, and load its dump.rdb.",

  unknownVersion: "unknown version",
  rdb: (version: number): string => `RDB ${version}`,
  written: (at: string): string => `written ${at}`,
  memory: (size: string): string => `${size} in memory then`,

  check: "Check",
  checkAgain: "Check again",
  checking: "Looking at the file and the destination…",
  cancel: "Cancel",
  start: "Load",
  deleteAndStart: "Delete and load",

  empty: (to: string): string => `${to} is empty. Nothing is deleted.`,
  notEmptyTitle: (to: string, keys: string): string => `${to} holds ${keys}`,
  notEmpty: "Choose above what is to become of them.",
  beside: (to: string, keys: string): string =>
    `${keys} at ${to} stay; those of the same name are replaced.`,
  deletes: (to: string, what: string): string =>
    `This deletes ${what} at ${to}, then loads the file.`,
  and: (a: string, b: string): string => `${a} and ${b}`,
  key: "key",
  keys: "keys",
  library: "function library",
  libraries: "function libraries",
  database: (db: number, keys: string): string => `db ${db}: ${keys}`,
  everything: "Every database is emptied.",
  onlyOne: "Only this database is emptied.",
  typeAddress: (address: string): string => `Type “${address}” to confirm`,

  phases: {
    checking: "Looking at the file and the destination",
    verifying: "Reading the file before anything is deleted",
    emptying: "Deleting what the destination holds",
    loading: "Loading",
    done: "Loaded",
    stopped: "Stopped",
    failed: "The load failed",
  } satisfies Record<FileLoadPhase, string>,
  into: (to: string): string => `into ${to}`,
  progress: "Progress of the load",
  stop: "Stop",
  stopping: "Stopping…",
  again: "Load another file",
  done: "Done",
  left: (time: string): string => `${time} left`,
  keysIn: "Keys loaded",
  librariesIn: "Function libraries",
  expired: "Left out: time over",
  expiredHelp:
    "Keys whose expiry was over before the load, as a server leaves them out at its start.",
  checkpoints: "Left out: checkpoints",
  checkpointsHelp: "Tributary's own keys of replicas.",
  omitted: "Left out: as allowed",
  omittedHelp:
    "Left out, or kept without something that the destination does not know, as the form allows.",
  read: "Read",
  speed: "Speed",
  timeLeft: "Time left",
  incomplete: (to: string): string => `${to} does not hold all of the file.`,
  unchanged: (to: string): string => `Nothing was changed at ${to}.`,
};
