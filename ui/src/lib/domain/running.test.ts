import { describe, expect, it } from "vitest";
import { failure, replica, source } from "../../test/samples";
import { remediesOf } from "./failure";
import { hasFailed, isPaused, isWorking } from "./running";

const byUser = source({ id: "u", status: "stopped", phase: "stopped" });
const failed = source({ id: "f", status: "stopped", phase: "stopped", failure });
const synced = source({ id: "s", status: "synced", phase: "synced" });

describe("a replica", () => {
  it("works as long as one of its sources does", () => {
    expect(isWorking(replica({ sources: [byUser, synced] }))).toBe(true);
    expect(isWorking(replica({ sources: [byUser, failed] }))).toBe(false);
    expect(isWorking(null)).toBe(false);
  });

  it("has failed when an error stopped a source, not when the user did", () => {
    expect(hasFailed(replica({ sources: [synced, byUser] }))).toBe(false);
    expect(hasFailed(replica({ sources: [synced, failed] }))).toBe(true);
  });

  it("is paused only while it works", () => {
    expect(isPaused(replica({ intent: "paused", sources: [synced] }))).toBe(true);
    expect(isPaused(replica({ intent: "paused", sources: [failed] }))).toBe(false);
  });
});

describe("the remedies of a failure", () => {
  it("are those that can help, and none while Tributary helps itself", () => {
    expect(remediesOf({ ...failure, kind: "command_failed" })).toEqual(["skip", "restart"]);
    expect(remediesOf({ ...failure, kind: "resync_needed" })).toEqual(["restart"]);
    expect(remediesOf({ ...failure, kind: "unreachable", action: "retries" })).toEqual([]);
    expect(remediesOf({ ...failure, kind: "destination_oom" })).toEqual([]);
    expect(remediesOf({ ...failure, kind: "module_missing" })).toEqual(["options"]);
  });
});
