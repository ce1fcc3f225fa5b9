/** What Ctrl+K finds, and in which order. */

export type Entry = { key: string; kind: "replica" | "action"; label: string; run: () => unknown };

/** Entries whose name holds the text: replicas first, then those that start with it. */
export function find(entries: readonly Entry[], text: string): Entry[] {
  const wanted = text.trim().toLowerCase();
  return entries
    .map((entry) => ({ entry, at: entry.label.toLowerCase().indexOf(wanted) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => rank(a.entry, a.at) - rank(b.entry, b.at))
    .map(({ entry }) => entry);
}

function rank(entry: Entry, at: number): number {
  return (entry.kind === "replica" ? 0 : 2) + (at === 0 ? 0 : 1);
}
