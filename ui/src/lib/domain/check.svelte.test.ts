import { describe, expect, it } from "vitest";
import type { ReplicaCheckLine } from "$lib/api/generated/ReplicaCheckLine";
import { checkText, groupLines, summary, tally } from "./check";
import { CheckRun } from "./check.svelte";

function line(source: string | null, over: Partial<ReplicaCheckLine> = {}): ReplicaCheckLine {
  const endpoint = source === null ? "d:6379" : `${source}:6379`;
  return { endpoint, source, what: "Version", found: "7.0", verdict: "ok", hint: null, ...over };
}

const LINES = [
  line("a"),
  line("b", { verdict: "fails", hint: "Fix it." }),
  line("a", { what: "Backlog", verdict: "warning" }),
  line(null, { verdict: "unknown" }),
];

describe("a check", () => {
  it("groups its lines by server, in the order in which they answered", () => {
    const groups = groupLines(LINES);
    expect(groups.map((group) => group.endpoint)).toEqual(["a:6379", "b:6379", "d:6379"]);
    expect(groups[0]?.lines.map((found) => found.what)).toEqual(["Version", "Backlog"]);
  });

  it("keeps two sources apart that share a server", () => {
    const endpoint = "a:6379";
    expect(groupLines([line("a", { endpoint }), line("b", { endpoint })])).toHaveLength(2);
  });

  it("sums up what is to be done, and says so when nothing stands in the way", () => {
    expect(summary(tally(LINES))).toBe("1 thing to fix, 1 warning, 1 not told");
    const clear = "Nothing stands in the way of a sync";
    expect(summary(tally([line("a")]))).toBe(clear);
    expect(summary(tally([line("a", { verdict: "warning" })]))).toBe(`${clear}, 1 warning`);
  });

  it("is copied with what to do below each line", () => {
    const text = checkText(groupLines(LINES.slice(0, 2)), (group) => `Source ${group.source}`);
    expect(text).toBe(
      [
        "Source a a:6379",
        "  in order Version: 7.0",
        "",
        "Source b b:6379",
        "  to fix   Version: 7.0",
        "           Fix it.",
      ].join("\n"),
    );
  });

  it("drops the lines of an earlier run that are still on their way", async () => {
    const tell: ((found: ReplicaCheckLine) => void)[] = [];
    const end: (() => void)[] = [];
    const run = new CheckRun((onLine) => {
      tell.push(onLine);
      return new Promise((resolve) => end.push(resolve));
    });
    const first = run.run();
    const second = run.run();
    tell[0]?.(line("a", { found: "late" }));
    tell[1]?.(line("a"));
    end[0]?.();
    await first;
    expect(run.running).toBe(true);
    end[1]?.();
    await second;
    expect(run.running).toBe(false);
    expect(run.lines.map((found) => found.found)).toEqual(["7.0"]);
  });
});
