/** What the figures of a comparison come to. */

import type { DifferenceKind } from "$lib/api/generated/DifferenceKind";
import type { KindCounts } from "$lib/api/generated/KindCounts";
import type { VerifyLive } from "$lib/api/generated/VerifyLive";
import type { VerifyStage } from "$lib/api/generated/VerifyStage";

export const KINDS = [
  "missing",
  "extra",
  "type",
  "value",
  "expiry",
] as const satisfies readonly DifferenceKind[];

const OVER: ReadonlySet<VerifyStage> = new Set(["done", "stopped", "failed"]);

/** Whether it compares or repairs. */
export function isUnderWay(verify: VerifyLive | null): boolean {
  return verify !== null && !OVER.has(verify.stage);
}

/** Of what it is doing: the keys, or, once they are compared, the repairs. 100 only when it is over. */
export function progressOf(verify: VerifyLive): number | null {
  const repairing = verify.stage === "repairing";
  const done = repairing
    ? (verify.repair?.repaired ?? 0) + (verify.repair?.notRepaired ?? 0)
    : verify.keysDone;
  const total = repairing ? (verify.repair?.asked ?? 0) : verify.keysTotal;
  if (OVER.has(verify.stage)) return total === null || total === 0 ? 100 : part(done, total);
  if (verify.stage === "settling") return 99;
  return total === null || total === 0 ? null : Math.min(99, part(done, total));
}

function part(done: number, total: number): number {
  return Math.min(100, (done / total) * 100);
}

export type Verdict = "equal" | "unsure" | "differs" | "repaired" | "stopped" | "failed";

/** How it ended, in a word: what was not judged is not called equal. */
export function verdictOf(verify: VerifyLive): Verdict {
  if (verify.stage === "failed") return "failed";
  if (verify.stage === "stopped") return "stopped";
  if (verify.differences > 0) return leftOf(verify) > 0 ? "differs" : "repaired";
  return skippedOf(verify) > 0 ? "unsure" : "equal";
}

/** Differences that are not repaired. */
export function leftOf(verify: VerifyLive): number {
  return Math.max(0, verify.differences - (verify.repair?.repaired ?? 0));
}

export function skippedOf(verify: VerifyLive): number {
  return verify.skipped.reduce((sum, { keys }) => sum + keys, 0);
}

/** What a repair would do: keys written, keys whose expiry alone is set, keys deleted. */
export type RepairPlan = { written: number; expiries: number; deleted: number; total: number };

export function planOf(counts: KindCounts): RepairPlan {
  const written = counts.missing + counts.type + counts.value;
  const { expiry: expiries, extra: deleted } = counts;
  return { written, expiries, deleted, total: written + expiries + deleted };
}

export function countKinds(kinds: Iterable<DifferenceKind>): KindCounts {
  const counts: KindCounts = { missing: 0, extra: 0, type: 0, value: 0, expiry: 0 };
  for (const kind of kinds) counts[kind] += 1;
  return counts;
}

/** "20,000" as a number; null where it is not one from 1 to a billion. */
export function parseLimit(text: string): number | null {
  const digits = text.replaceAll(/[\s,_]/g, "");
  if (!/^\d{1,10}$/.test(digits)) return null;
  const limit = Number(digits);
  return limit >= 1 && limit <= 1e9 ? limit : null;
}
