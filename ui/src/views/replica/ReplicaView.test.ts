import { fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../app/App.svelte";
import type { Backend } from "$lib/api/backend";
import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";
import { AppState } from "$lib/stores/app.svelte";
import { backend, definition, failure, replica, review, source } from "../../test/samples";

vi.mock("$lib/domain/charts/plot", () => ({
  // jsdom has no canvas; what is drawn is looked at in the window.
  makePlot: () => ({ setData: vi.fn(), setSize: vi.fn(), destroy: vi.fn() }),
  aligned: () => [],
}));

async function opened(live: ReplicaLive, over: Partial<Backend> = {}): Promise<AppState> {
  const app = new AppState(backend({ subscribe: () => Promise.resolve(), ...over }));
  await app.begin();
  app.keep(definition());
  app.live.apply({ at: Date.now(), replicas: [live], events: [] });
  app.router.go({ view: "replica", id: "r1" });
  render(App, { app });
  return app;
}

const stopped = replica({ status: "stopped", phase: "stopped", sources: [] });
const synced = replica({
  status: "synced",
  phase: "synced",
  sources: [source({ status: "synced", phase: "synced", lagMs: 12 })],
});

describe("the page of a replica", () => {
  it("says what happened and what to do when a sync stopped", async () => {
    await opened({ ...stopped, failure });
    expect(screen.getByTestId("failure-message")).toHaveTextContent("refused the password");
    expect(screen.getByTestId("failure-hint")).toHaveTextContent("Enter the current password.");
    expect(screen.getByTestId("start")).toBeEnabled();
  });

  it("shows progress while a source loads and lag once it is in step", async () => {
    const loading = source({ progress: 61.4, keys: 1200, keysTotal: 2000, timeLeftMs: 48_000 });
    const app = await opened(replica({ sources: [loading] }));
    const progress = screen.getByTestId("progress");
    expect(progress).toHaveTextContent("1,200 of 2,000 keys");
    expect(progress).toHaveTextContent("48 s left");
    expect(screen.queryByTestId("lag")).toBeNull();
    app.live.apply({ at: Date.now(), replicas: [synced], events: [] });
    expect(await screen.findByTestId("lag")).toHaveTextContent("12 ms");
    expect(screen.getByTestId("last-command")).toHaveTextContent("–");
  });

  it("asks before a start that would delete, and starts with the typed name", async () => {
    const needed = { code: "confirmation_needed", message: "12 keys.", hint: null, field: null };
    const startReplica = vi.fn((_: string, name: string | null) =>
      name === null ? Promise.reject(needed) : Promise.resolve(),
    );
    await opened(stopped, { startReplica, review: () => Promise.resolve(review()) });
    await fireEvent.click(screen.getByTestId("start"));
    expect(await screen.findByTestId("review-sentence")).toHaveTextContent("This deletes 12 keys");
    expect(screen.getByTestId("confirm-start")).toBeDisabled();
    await fireEvent.input(screen.getByTestId("review-confirm-name"), {
      target: { value: "sessions" },
    });
    await fireEvent.click(screen.getByTestId("confirm-start"));
    await waitFor(() => expect(startReplica).toHaveBeenLastCalledWith("r1", "sessions"));
  });

  it("restarts only after the name is typed, and Esc takes it back", async () => {
    const restartReplica = vi.fn(() => Promise.resolve());
    const app = await opened(synced, { restartReplica, review: () => Promise.resolve(review()) });
    await fireEvent.click(screen.getByTestId("restart"));
    await screen.findByTestId("review-sentence");
    await fireEvent.keyDown(screen.getByTestId("confirm-cancel"), { key: "Escape" });
    await waitFor(() => expect(screen.queryByTestId("confirm-panel")).toBeNull());
    expect(app.router.route).toEqual({ view: "replica", id: "r1" });
    await fireEvent.click(screen.getByTestId("restart"));
    await fireEvent.input(await screen.findByTestId("review-confirm-name"), {
      target: { value: "sessions" },
    });
    await fireEvent.click(screen.getByTestId("confirm-restart"));
    await waitFor(() => expect(restartReplica).toHaveBeenCalledWith("r1", "sessions"));
  });

  it("shows why a command was refused", async () => {
    const refused = { code: "storage", message: "Disk full.", hint: "Free some.", field: null };
    await opened(synced, { stopReplica: () => Promise.reject(refused) });
    await fireEvent.click(screen.getByTestId("stop"));
    expect(await screen.findByTestId("command-failure-message")).toHaveTextContent("Disk full.");
    expect(screen.getByTestId("command-failure-hint")).toHaveTextContent("Free some.");
  });

  it("pauses and resumes, and says what waits", async () => {
    const pauseReplica = vi.fn(() => Promise.resolve());
    const resumeReplica = vi.fn(() => Promise.resolve());
    const app = await opened(synced, { pauseReplica, resumeReplica });
    await fireEvent.click(screen.getByTestId("pause"));
    expect(pauseReplica).toHaveBeenCalledWith("r1");
    const sources = [source({ status: "synced", phase: "paused", spoolBytes: 12_000_000 })];
    const paused = replica({ status: "synced", phase: "paused", intent: "paused", sources });
    app.live.apply({ at: Date.now(), replicas: [paused], events: [] });
    await waitFor(() =>
      expect(screen.getByTestId("status-badge")).toHaveTextContent("Paused 12.0 MB waiting"),
    );
    expect(screen.getByTestId("stop")).toBeEnabled();
    await fireEvent.click(screen.getByTestId("resume"));
    expect(resumeReplica).toHaveBeenCalledWith("r1");
  });

  it("stops one source and remembers that the user did", async () => {
    const stopSource = vi.fn(() => Promise.resolve());
    const startSource = vi.fn(() => Promise.resolve());
    const inStep = { status: "synced", phase: "synced" } as const;
    const two = [source(inStep), source({ ...inStep, id: "s2", name: "eu-north" })];
    const app = await opened(replica({ ...inStep, sources: two }), { stopSource, startSource });
    const [only] = definition().sources;
    if (only) app.keep(definition({ sources: [only, { ...only, id: "s2", name: "eu-north" }] }));
    const buttons = await screen.findAllByTestId("stop-source");
    expect(buttons[1]).toHaveAccessibleName("Stop eu-north; the other sources go on");
    await fireEvent.click(buttons[1] ?? document.body);
    await waitFor(() => expect(app.definition("r1")?.sources[1]?.stopped).toBe(true));
    expect(stopSource).toHaveBeenCalledWith("r1", "s2");
    const halted = [source(inStep), source({ id: "s2", status: "stopped", phase: "stopped" })];
    const live = replica({ ...inStep, sources: halted });
    app.live.apply({ at: Date.now(), replicas: [live], events: [] });
    expect(await screen.findByTestId("stopped-by-user")).toHaveTextContent("Stopped by you");
    await fireEvent.click(screen.getByTestId("start-source"));
    await waitFor(() => expect(app.definition("r1")?.sources[1]?.stopped).toBe(false));
    expect(startSource).toHaveBeenCalledWith("r1", "s2");
  });

  it("leaves the only source to the buttons of the replica", async () => {
    await opened(synced);
    expect(screen.queryByTestId("stop-source")).toBeNull();
  });

  it("offers Start and Stop while some sources run and others have failed", async () => {
    const sources = [
      source({ status: "synced", phase: "synced" }),
      source({ id: "s2", status: "stopped", phase: "stopped", failure }),
    ];
    await opened(replica({ status: "stopped", phase: "stopped", failure, sources }));
    expect(screen.getByTestId("start")).toBeEnabled();
    expect(screen.getByTestId("stop")).toBeEnabled();
  });

  it("skips a failed command only after it was asked, with the safe answer at hand", async () => {
    const skipFailed = vi.fn(() => Promise.resolve());
    const refused = {
      ...failure,
      kind: "command_failed",
      message: "d:6379 refused LPUSH on key mail: WRONGTYPE",
    };
    await opened({ ...stopped, failure: refused }, { skipFailed });
    await fireEvent.click(screen.getByTestId("remedy-skip"));
    expect(screen.getByTestId("failure")).toHaveTextContent("LPUSH on key mail");
    expect(screen.getByTestId("cancel-skip")).toHaveFocus();
    expect(skipFailed).not.toHaveBeenCalled();
    await fireEvent.click(screen.getByTestId("confirm-skip"));
    await waitFor(() => expect(skipFailed).toHaveBeenCalledWith("r1"));
    await waitFor(() => expect(screen.queryByTestId("skip-panel")).toBeNull());
  });

  it("offers the restart where nothing else helps, and no skip", async () => {
    const needed = { ...failure, kind: "resync_needed" };
    await opened({ ...stopped, failure: needed }, { review: () => Promise.resolve(review()) });
    expect(screen.queryByTestId("remedy-skip")).toBeNull();
    await fireEvent.click(screen.getByTestId("remedy-restart"));
    expect(await screen.findByTestId("review-sentence")).toBeInTheDocument();
  });

  it("shows the exact figures of a source by Enter on its row", async () => {
    const figures = source({
      status: "synced",
      phase: "synced",
      received: 88_120_442,
      applied: 88_120_100,
      spoolBytes: 342,
      spoolDiskBytes: 340_000_000,
      clockSkewMs: -1_420,
    });
    await opened(replica({ status: "synced", phase: "synced", sources: [figures] }));
    await fireEvent.keyDown(screen.getByTestId("source-row"), { key: "Enter" });
    expect(screen.getByTestId("received")).toHaveTextContent("88,120,442");
    expect(screen.getByTestId("applied")).toHaveTextContent("88,120,100");
    expect(screen.getByTestId("durable")).toHaveTextContent("–");
    expect(screen.getByTestId("spool")).toHaveTextContent("342 B");
    expect(screen.getByTestId("spool-disk")).toHaveTextContent("340 MB of 4.3 GB");
    expect(screen.getByTestId("clock-skew")).toHaveTextContent("1.4 s behind");
  });

  it("says how expiry is handled, and what that means at maxmemory", async () => {
    const server = { product: "Valkey", version: "8.1", keys: 1, usedMemory: 1, maxMemory: 9 };
    await opened({ ...synced, expiry: "import_mode", server });
    expect(screen.getByTestId("expiry")).toHaveTextContent("at maxmemory writes are refused (OOM)");
  });

  it("tells of writes of others and of a lock-down that does not hold", async () => {
    const app = await opened({
      ...synced,
      foreignWrites: 3,
      foreignWrite: "Another client, 10.0.9.4:5 (user app), wrote with SET.",
      lockDown: { users: [], problem: "Others are logged in as our user." },
    });
    expect(screen.getByTestId("foreign-writes-message")).toHaveTextContent("noticed 3 times");
    expect(screen.getByTestId("foreign-write")).toHaveTextContent("user app");
    expect(screen.getByTestId("lock-problem")).toHaveTextContent("logged in as our user");
    await fireEvent.click(within(screen.getByTestId("foreign-writes")).getByTestId("to-options"));
    expect(app.router.route).toEqual({ view: "edit", id: "r1", at: "options" });
    expect(screen.getByTestId("options")).toBeInTheDocument();
  });

  it("names the users that are read-only, and says before that they are to be", async () => {
    const app = await opened(synced);
    app.keep(definition({ options: { ...definition().options, lockDown: true } }));
    expect(await screen.findByTestId("lock-down")).toHaveTextContent("are made read-only");
    const lockDown = { users: ["app", "reports"], problem: null };
    app.live.apply({ at: Date.now(), replicas: [{ ...synced, lockDown }], events: [] });
    await waitFor(() =>
      expect(screen.getByTestId("lock-down")).toHaveTextContent("read-only: app and reports"),
    );
  });

  it("checks line by line, sums up, and hides what is in order on demand", async () => {
    let end: (() => void) | undefined;
    const line = { endpoint: "a:6379", source: "s1", what: "Version", found: "7.0", hint: null };
    const checkReplica: Backend["checkReplica"] = (_, onLine) => {
      onLine({ ...line, verdict: "ok" });
      onLine({ ...line, what: "Backlog", found: "small", verdict: "warning", hint: "Enlarge it." });
      onLine({ ...line, endpoint: "d:6379", source: null, what: "Memory", verdict: "fails" });
      return new Promise((resolve) => (end = resolve));
    };
    await opened(synced, { checkReplica });
    await fireEvent.click(screen.getByTestId("check"));
    expect(screen.getAllByTestId("check-found")).toHaveLength(3);
    expect(screen.getByTestId("check-summary")).toHaveTextContent("3 found so far");
    end?.();
    await waitFor(() =>
      expect(screen.getByTestId("check-summary")).toHaveTextContent("1 thing to fix, 1 warning"),
    );
    expect(screen.getByTestId("check-panel")).toHaveTextContent("Source eu-west a:6379");
    expect(screen.getByTestId("check-panel")).toHaveTextContent("Enlarge it.");
    await fireEvent.click(screen.getByTestId("check-open-only"));
    expect(screen.getAllByTestId("check-found")).toHaveLength(2);
    await fireEvent.keyDown(screen.getByTestId("check-again"), { key: "Escape" });
    await waitFor(() => expect(screen.queryByTestId("check-panel")).toBeNull());
  });

  it("shows what deleting could not do at the destination", async () => {
    const app = await opened(stopped, {
      deleteReplica: () => Promise.resolve("d:6379 could not be reached."),
    });
    await fireEvent.click(screen.getByTestId("delete"));
    await fireEvent.click(screen.getByTestId("confirm-delete"));
    expect(await screen.findByTestId("app-notice-message")).toHaveTextContent("not be reached");
    expect(app.definitions).toEqual([]);
    await fireEvent.click(screen.getByTestId("app-notice-dismiss"));
    await waitFor(() => expect(screen.queryByTestId("app-notice")).toBeNull());
  });
});
