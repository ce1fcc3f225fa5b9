import { describe, expect, it } from "vitest";
import type { ReplicaCheckLine } from "$lib/api/generated/ReplicaCheckLine";
import { asText, groups, summary } from "./check";

function line(over: Partial<ReplicaCheckLine>): ReplicaCheckLine {
  const known = { endpoint: "d:6379", source: null, what: "Memory", found: "fits", hint: null };
  return { ...known, verdict: "ok", ...over };
}

const names = new Map([["s1", "eu-west"]]);

describe("what a check found", () => {
  it("is grouped by server, in the order in which it came", () => {
    const found = groups(
      [
        line({ source: "s1", endpoint: "a:6379" }),
        line({}),
        line({ source: "s1", what: "Backlog" }),
      ],
      names,
    );
    expect(found.map(({ title, lines }) => [title, lines.length])).toEqual([
      ["eu-west", 2],
      ["Destination", 1],
    ]);
  });

  it("is summed up: what fails first", () => {
    expect(summary([line({})])).toBe("Nothing stands in the way.");
    expect(summary([line({ verdict: "fails" }), line({ verdict: "warning" })])).toBe(
      "1 thing stands in the way, 1 warning.",
    );
    expect(
      summary([
        line({ verdict: "warning" }),
        line({ verdict: "warning" }),
        line({ verdict: "unknown" }),
      ]),
    ).toBe("Nothing stands in the way, 2 warnings, 1 not known.");
  });

  it("is copied with every line and what to do", () => {
    const text = asText(groups([line({ verdict: "fails", hint: "Raise maxmemory." })], names));
    expect(text).toBe("Destination d:6379\n  fails: Memory: fits\n    Raise maxmemory.");
  });
});
