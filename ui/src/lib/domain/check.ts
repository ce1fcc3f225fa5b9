/** What a check of a replica found, sorted for reading. */

import type { CheckVerdict } from "$lib/api/generated/CheckVerdict";
import type { ReplicaCheckLine } from "$lib/api/generated/ReplicaCheckLine";
import { plural } from "$lib/format/units";
import { checking } from "./strings";

/** The lines about one server. */
export type CheckGroup = { key: string; source: string | null; endpoint: string } & {
  lines: ReplicaCheckLine[];
};

export type Tally = Record<CheckVerdict, number>;

/** One group for each server, in the order in which they answered. */
export function groupLines(lines: readonly ReplicaCheckLine[]): CheckGroup[] {
  const groups = new Map<string, CheckGroup>();
  for (const line of lines) {
    const { source, endpoint } = line;
    const key = source ?? "";
    const group = groups.get(key) ?? { key, source, endpoint, lines: [] };
    group.lines.push(line);
    groups.set(key, group);
  }
  return [...groups.values()];
}

export function tally(lines: readonly ReplicaCheckLine[]): Tally {
  const found: Tally = { ok: 0, warning: 0, fails: 0, unknown: 0 };
  for (const line of lines) found[line.verdict] += 1;
  return found;
}

/** "2 things to fix, 1 warning, 3 not told." */
export function summary(found: Tally): string {
  const open = [
    found.fails > 0 ? plural(found.fails, checking.toFix, checking.toFixMany) : null,
    found.warning > 0 ? plural(found.warning, checking.oneWarning, checking.warnings) : null,
    found.unknown > 0 ? plural(found.unknown, checking.notTold, checking.notTold) : null,
  ].filter((part) => part !== null);
  if (found.fails === 0) open.unshift(checking.clear);
  return open.join(", ");
}

/** The whole check as text, for a ticket or a chat. */
export function checkText(
  groups: readonly CheckGroup[],
  nameOf: (group: CheckGroup) => string,
): string {
  const line = ({ what, found, verdict, hint }: ReplicaCheckLine): string => {
    const word = checking.verdict[verdict].padEnd(8);
    const todo = hint === null ? "" : `\n  ${" ".repeat(8)} ${hint}`;
    return `  ${word} ${what}: ${found}${todo}`;
  };
  return groups
    .map((group) =>
      [`${nameOf(group)} ${group.endpoint}`.trim(), ...group.lines.map(line)].join("\n"),
    )
    .join("\n\n");
}
