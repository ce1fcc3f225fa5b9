/** Every string of the definitions as a file. */

export const transfer = {
  title: "Definitions",
  about:
    "All replicas as a file, without passwords: for another console, or for tributary run on a server.",
  exportNow: "Export definitions…",
  importNow: "Import definitions…",
  exported: (path: string): string => `Written to ${path}.`,
  replace: "Replace them",
  leave: "Leave them",
  added: (names: readonly string[]): string => `Added, stopped: ${names.join(", ")}.`,
  replaced: (names: readonly string[]): string => `Replaced: ${names.join(", ")}.`,
  nothing: "The file names no replica.",
  missing: "Passwords that are not at hand; edit the replica to enter them:",
};
