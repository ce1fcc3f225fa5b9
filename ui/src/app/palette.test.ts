import { describe, expect, it } from "vitest";
import { find, type Entry } from "./palette";

const entry = (kind: Entry["kind"], label: string): Entry => ({
  key: label,
  kind,
  label,
  run: () => undefined,
});
const ENTRIES = [
  entry("action", "Settings"),
  entry("replica", "user-sessions"),
  entry("replica", "sessions-eu"),
  entry("action", "Stop sessions-eu"),
];
const found = (text: string): string[] => find(ENTRIES, text).map((e) => e.label);

describe("the palette", () => {
  it("puts replicas before actions, and names that start so before others", () => {
    expect(found("se")).toEqual(["sessions-eu", "user-sessions", "Settings", "Stop sessions-eu"]);
  });

  it("finds whatever the case and the blanks around", () => {
    expect(found(" STOP ")).toEqual(["Stop sessions-eu"]);
  });

  it("finds nothing where there is nothing", () => {
    expect(found("zz")).toEqual([]);
  });
});
