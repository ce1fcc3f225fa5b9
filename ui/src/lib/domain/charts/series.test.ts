import { describe, expect, it } from "vitest";
import { EMPTY, append, highest, markNear, spread, type Sample } from "./series";

const sample = (at: number, lagMs: number | null = 1): Sample => ({
  at,
  lagMs,
  writesPerSec: 2,
  bytesPerSec: 3,
  wireBytesPerSec: 1,
});

describe("the data of a chart", () => {
  it("grows by what is reported and forgets what has left the span", () => {
    let data = EMPTY;
    for (let at = 1000; at <= 10_000; at += 1000) data = append(data, sample(at), 5000);
    expect(data.times).toEqual([5000, 6000, 7000, 8000, 9000, 10_000]);
    expect(data.lagMs).toHaveLength(6);
    expect([data.from, data.to]).toEqual([5000, 10_000]);
  });

  it("shows a gap where nothing was measured", () => {
    const data = append(append(EMPTY, sample(1000), 60_000), sample(20_000), 60_000);
    expect(data.times).toEqual([1000, 19_999, 20_000]);
    expect(data.lagMs).toEqual([1, null, 1]);
    expect(data.bytesPerSec).toEqual([3, null, 3]);
    expect(data.wireBytesPerSec).toEqual([1, null, 1]);
  });

  it("takes each moment once", () => {
    const data = append(append(EMPTY, sample(1000), 5000), sample(1000, 9), 5000);
    expect(data.lagMs).toEqual([1]);
  });

  it("finds the event under the cursor only when it is near", () => {
    const mark = { at: 30_000, label: "Reconnected", severity: "info" as const };
    const data = { ...EMPTY, from: 0, to: 60_000, marks: [mark] };
    expect(markNear(data, 30_900)).toBe(mark);
    expect(markNear(data, 40_000)).toBeNull();
  });

  it("has no maximum when nothing is known", () => {
    expect(highest([null, null])).toBeNull();
    expect(highest([null, 0, 3, null])).toBe(3);
  });

  it("tells the newest first in the table", () => {
    expect(spread(10, 5)).toEqual([9, 7, 5, 3, 1]);
    expect(spread(0, 5)).toEqual([]);
  });
});
