/** What a check found, in the order and the words in which it is read. */

import type { CheckVerdict } from "$lib/api/generated/CheckVerdict";
import type { ReplicaCheckLine } from "$lib/api/generated/ReplicaCheckLine";
import { plural } from "$lib/format/units";
import { replica as words } from "./strings";

/** The lines about one server. */
export type Group = { key: string; title: string; lines: ReplicaCheckLine[] };

/** Groups in the order in which their first line came; `names` are those of the sources by ID. */
export function groups(
  lines: readonly ReplicaCheckLine[],
  names: ReadonlyMap<string, string>,
): Group[] {
  const found = new Map<string, Group>();
  for (const line of lines) {
    const key = line.source ?? "";
    const title = line.source === null ? words.destination : (names.get(line.source) ?? "");
    const group = found.get(key) ?? { key, title, lines: [] };
    group.lines.push(line);
    found.set(key, group);
  }
  return [...found.values()];
}

export function count(lines: readonly ReplicaCheckLine[], verdict: CheckVerdict): number {
  return lines.filter((line) => line.verdict === verdict).length;
}

/** "2 things stand in the way, 1 warning." */
export function summary(lines: readonly ReplicaCheckLine[]): string {
  const [fails, warnings, unknown] = [
    count(lines, "fails"),
    count(lines, "warning"),
    count(lines, "unknown"),
  ];
  const { thing, things, warning, warningsWord, unknowns } = words.check;
  const rest = [
    ...(warnings > 0 ? [plural(warnings, warning, warningsWord)] : []),
    ...(unknown > 0 ? [unknowns(unknown)] : []),
  ];
  const first = fails > 0 ? plural(fails, thing, things) : words.check.clear;
  return `${[first, ...rest].join(", ")}.`;
}

/** The whole check as text. */
export function asText(found: readonly Group[]): string {
  const line = ({ verdict, what, found: text, hint }: ReplicaCheckLine): string =>
    [`  ${words.check.verdicts[verdict]}: ${what}: ${text}`, ...(hint ? [`    ${hint}`] : [])].join(
      "\n",
    );
  return found
    .map(({ title, lines }) => [`${title} ${lines[0]?.endpoint ?? ""}`, ...lines.map(line)])
    .flat()
    .join("\n");
}
