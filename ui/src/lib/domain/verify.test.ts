import { describe, expect, it } from "vitest";
import { verification } from "../../test/samples";
import {
  countKinds,
  isUnderWay,
  leftOf,
  parseLimit,
  planOf,
  progressOf,
  verdictOf,
} from "./verify";

const skipped = [{ why: "of a module", keys: 2, example: "doc:1" }];
const counts = { missing: 3, extra: 2, type: 1, value: 5, expiry: 2 };

describe("a comparison", () => {
  it("has no progress before the keys are counted, and 100 % only at its end", () => {
    expect(progressOf(verification({ stage: "counting", keysTotal: null }))).toBeNull();
    expect(progressOf(verification({ keysDone: 430, keysTotal: 1000 }))).toBe(43);
    expect(progressOf(verification({ keysDone: 1000, keysTotal: 1000 }))).toBe(99);
    expect(progressOf(verification({ stage: "settling" }))).toBe(99);
    expect(progressOf(verification({ stage: "done", keysDone: 0, keysTotal: 0 }))).toBe(100);
    expect(progressOf(verification({ stage: "stopped", keysDone: 50, keysTotal: 200 }))).toBe(25);
  });

  it("shows the repairs while they are made", () => {
    const repair = { asked: 12, repaired: 5, notRepaired: 1 };
    const repairing = verification({ stage: "repairing", repair });
    expect(isUnderWay(repairing)).toBe(true);
    expect(progressOf(repairing)).toBe(50);
  });

  it("is equal only when every key was judged", () => {
    expect(verdictOf(verification({ stage: "done" }))).toBe("equal");
    expect(verdictOf(verification({ stage: "done", skipped }))).toBe("unsure");
    expect(verdictOf(verification({ stage: "done", skipped, differences: 1 }))).toBe("differs");
    expect(verdictOf(verification({ stage: "stopped" }))).toBe("stopped");
    expect(verdictOf(verification({ stage: "failed", differences: 1 }))).toBe("failed");
  });

  it("is repaired only when nothing is left", () => {
    const some = { asked: 3, repaired: 2, notRepaired: 1 };
    const all = { asked: 3, repaired: 3, notRepaired: 0 };
    expect(leftOf(verification({ differences: 3, repair: some }))).toBe(1);
    expect(verdictOf(verification({ stage: "done", differences: 3, repair: some }))).toBe(
      "differs",
    );
    expect(verdictOf(verification({ stage: "done", differences: 3, repair: all }))).toBe(
      "repaired",
    );
  });
});

describe("a repair", () => {
  it("writes what is missing or other, sets expiries, deletes what is extra", () => {
    expect(planOf(counts)).toEqual({ written: 9, expiries: 2, deleted: 2, total: 13 });
    expect(countKinds(["extra", "value", "value"])).toMatchObject({ extra: 1, value: 2 });
  });
});

describe("a rate limit", () => {
  it("is a whole number, with or without separators", () => {
    expect(parseLimit("20,000")).toBe(20_000);
    expect(parseLimit(" 1 ")).toBe(1);
    for (const wrong of ["", "0", "-5", "1.5", "fast", "1e3", "9999999999"]) {
      expect(parseLimit(wrong)).toBeNull();
    }
  });
});
