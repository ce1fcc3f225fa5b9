import { describe, expect, it } from "vitest";
import { absolute, clock, until, when } from "./time";

const AT = new Date(2026, 10, 22, 14, 3, 22).getTime();

describe("times", () => {
  it("are a clock today and carry the day otherwise", () => {
    expect(clock(AT)).toBe("14:03:22");
    expect(when(AT, AT + 60_000)).toBe("14:03:22");
    expect(when(AT, AT + 86_400_000)).toBe("Nov 22 14:03:22");
  });

  it("start the day at 00, not at 24", () => {
    expect(clock(new Date(2026, 10, 22, 0, 5, 0).getTime())).toBe("00:05:00");
  });

  it("are unknown when they are unknown", () => {
    expect(clock(null)).toBe("–");
    expect(absolute(null)).toBe("");
  });

  it("count down in whole seconds", () => {
    expect(until(AT + 3_200, AT)).toBe("in 4 s");
    expect(until(AT - 1, AT)).toBe("now");
  });
});
