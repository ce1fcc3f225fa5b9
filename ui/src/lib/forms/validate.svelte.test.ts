import { describe, expect, it } from "vitest";
import { DraftForm, MAX_SOURCES } from "./draft.svelte";
import { validate } from "./validate";

function form(destination: string, ...sources: string[]): DraftForm {
  const made = new DraftForm();
  made.name = "orders";
  fill(made.destination, destination);
  for (const address of sources) {
    made.addSource();
    const added = made.sources.at(-1);
    if (added) fill(added.endpoint, address);
  }
  return made;
}

function fill(endpoint: DraftForm["destination"], address: string): void {
  const [server = "", db = ""] = address.split("/");
  const [host = "", port = "6379"] = server.split(":");
  endpoint.host = host;
  endpoint.port = port;
  endpoint.db = db;
}

describe("the form of a replica", () => {
  it("has nothing wrong when all is filled in", () => {
    expect(validate(form("d", "a", "b:6380/3"), ["other"])).toEqual({});
  });

  it("names each field that is missing or malformed", () => {
    const bad = form("d", "a");
    bad.name = " ";
    bad.destination.host = "";
    bad.destination.port = "70000";
    bad.destination.db = "-1";
    const [first] = bad.sources;
    if (first) first.endpoint.host = "redis://a";
    expect(Object.keys(validate(bad, [])).sort()).toEqual([
      "destination.db",
      "destination.host",
      "destination.port",
      "name",
      "sources[0].host",
    ]);
  });

  it("refuses the name of another replica and of another source", () => {
    const twice = form("d", "a", "b");
    const [, second] = twice.sources;
    if (second) second.name = "source-1";
    const found = validate(twice, ["orders"]);
    expect(found["name"]).toContain("orders");
    expect(found["sources[1].name"]).toContain("source-1");
  });

  it("refuses the same database twice, also when one of them is all databases", () => {
    expect(validate(form("d", "a/1", "a/1"), [])["sources[1].host"]).toContain("source-1");
    expect(validate(form("d", "a", "A/1"), [])["sources[1].host"]).toContain("source-1");
    expect(validate(form("d", "a/1", "a/2"), [])).toEqual({});
    expect(validate(form("d", "a:6379", "a:6380"), [])).toEqual({});
  });

  it("refuses the destination as its own source, by any name of this machine", () => {
    const found = validate(form("localhost", "127.0.0.1"), []);
    expect(found["sources[0].host"]).toContain("its own source");
    expect(validate(form("localhost/1", "127.0.0.1/2"), [])).toEqual({});
  });

  it("takes 32 sources and refuses the 33rd", () => {
    const full = form("d", ...Array.from({ length: MAX_SOURCES }, (_, i) => `s${i}`));
    expect(validate(full, [])).toEqual({});
    expect(full.addSource()).toBe(false);
    expect(full.sources).toHaveLength(MAX_SOURCES);
  });

  it("wants a source", () => {
    expect(validate(form("d"), [])["sources"]).toContain("at least one");
  });

  it("sends a kept password as kept and an empty one as none", () => {
    const made = form("d", "a");
    expect(made.draft().destination.password).toEqual({ kind: "none" });
    made.destination.password.keep = true;
    expect(made.draft().destination.password).toEqual({ kind: "keep" });
    made.destination.password.keep = false;
    made.destination.password.value = "secret";
    expect(made.draft().destination.password).toEqual({
      kind: "set",
      value: "secret",
      thisRunOnly: false,
    });
  });

  it("takes a list of Sentinels with the name of what they watch, and only with it", () => {
    const made = form("d", "s1,s2:27000");
    expect(validate(made, [])["sources[0].host"]).toContain("for Sentinels");
    const [endpoint] = made.sources.map((source) => source.endpoint);
    endpoint?.askSentinels(true);
    expect(Object.keys(validate(made, []))).toEqual(["sources[0].sentinel"]);
    if (endpoint) endpoint.sentinel = "mymaster";
    expect(validate(made, [])).toEqual({});
    if (endpoint) endpoint.host = "s1,,s2";
    expect(Object.keys(validate(made, []))).toEqual(["sources[0].host"]);
  });

  it("lets two sources share their Sentinels when they watch two masters", () => {
    const made = form("d", "s1", "s1");
    made.sources.forEach((source, index) => {
      source.endpoint.askSentinels(true);
      source.endpoint.sentinel = `master-${index}`;
    });
    expect(validate(made, [])).toEqual({});
  });

  it("follows the usual port of Sentinels unless another was typed", () => {
    const { endpoint } = form("d", "a").sources[0] ?? {};
    endpoint?.askSentinels(true);
    expect(endpoint?.draft()).toMatchObject({ port: 26379, sentinel: null });
    endpoint?.askSentinels(false);
    expect(endpoint?.port).toBe("6379");
    if (endpoint) endpoint.port = "7000";
    endpoint?.askSentinels(true);
    expect(endpoint?.port).toBe("7000");
  });

  it("wants a whole number of MB for the spool", () => {
    const made = form("d", "a");
    for (const [quota, good] of [
      ["0", true],
      ["4096", true],
      ["", false],
      ["1.5", false],
    ] as const) {
      made.options.spoolQuota = quota;
      expect("options.spoolQuota" in validate(made, [])).toBe(!good);
    }
  });
});
