import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
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

  it("pauses and resumes, and shows that it is paused", async () => {
    const pauseReplica = vi.fn(() => Promise.resolve());
    const resumeReplica = vi.fn(() => Promise.resolve());
    const app = await opened(synced, { pauseReplica, resumeReplica });
    await fireEvent.click(screen.getByTestId("pause"));
    await waitFor(() => expect(pauseReplica).toHaveBeenCalledWith("r1"));
    const paused = { ...synced, intent: "paused", phase: "paused" } as const;
    app.live.apply({ at: Date.now(), replicas: [paused], events: [] });
    await fireEvent.click(await screen.findByTestId("resume"));
    await waitFor(() => expect(resumeReplica).toHaveBeenCalledWith("r1"));
    expect(screen.getByTestId("status-badge")).toHaveTextContent("Paused");
    expect(screen.queryByTestId("pause")).toBeNull();
  });

  it("opens a source by Enter and stops it beside the others", async () => {
    const stopSource = vi.fn(() => Promise.resolve());
    const running = { status: "synced", phase: "synced" } as const;
    const two = [source({ ...running, spoolBytes: 4_200_000, clockSkewMs: -3 })];
    const app = await opened(replica({ ...running, sources: two }), { stopSource });
    const other = definition().sources.map((known) => ({ ...known, id: "s2", name: "eu-north" }));
    app.keep(definition({ sources: [...definition().sources, ...other] }));
    const row = await screen.findByRole("row", { name: /eu-west/ });
    await fireEvent.keyDown(row, { key: "Enter" });
    expect(await screen.findByTestId("detail-spool")).toHaveTextContent("4.2 MB");
    expect(screen.getByTestId("detail-skew")).toHaveTextContent("3 ms behind");
    expect(screen.getByTestId("detail-spool-disk")).toHaveTextContent("0 B of 4.3 GB");
    await fireEvent.click(screen.getByTestId("stop-source"));
    await waitFor(() => expect(stopSource).toHaveBeenCalledWith("r1", "s1"));
  });

  it("keeps running while one of several sources is stopped", async () => {
    const still = source({ status: "synced", phase: "synced" });
    const halted = source({ id: "s2", status: "stopped", phase: "stopped" });
    await opened(replica({ status: "stopped", phase: "stopped", sources: [halted, still] }));
    expect(screen.getByTestId("stop")).toBeEnabled();
    expect(screen.queryByTestId("start")).toBeNull();
  });

  it("skips a failed command only after it was asked", async () => {
    const skipFailed = vi.fn(() => Promise.resolve());
    await opened({ ...stopped, failure: { ...failure, kind: "command_failed" } }, { skipFailed });
    await fireEvent.click(screen.getByTestId("skip"));
    expect(skipFailed).not.toHaveBeenCalled();
    expect(screen.getByTestId("skip-panel")).toHaveTextContent("may differ from the source");
    await fireEvent.click(screen.getByTestId("confirm-skip"));
    await waitFor(() => expect(skipFailed).toHaveBeenCalledWith("r1"));
    await waitFor(() => expect(screen.queryByTestId("skip-panel")).toBeNull());
  });

  it("offers a restart where only that goes on", async () => {
    const needed = { ...failure, kind: "resync_needed" };
    await opened({ ...stopped, failure: needed }, { review: () => Promise.resolve(review()) });
    await fireEvent.click(screen.getByTestId("remedy-restart"));
    expect(await screen.findByTestId("review-sentence")).toHaveTextContent("This deletes 12 keys");
  });

  it("says how expiries are carried and that others write", async () => {
    await opened({ ...synced, expiry: "import_mode", foreignWrites: 2 });
    expect(screen.getByTestId("run-notes")).toHaveTextContent("OOM instead of evicting");
    expect(screen.getByTestId("foreign-writes")).toHaveTextContent("Seen 2 times");
  });

  it("shows what a check finds as it finds it", async () => {
    const checkReplica: Backend["checkReplica"] = (_, onLine) => {
      const about = { endpoint: "d:6379", source: null, hint: "Raise maxmemory." };
      onLine({ ...about, what: "Memory", found: "does not fit", verdict: "fails" });
      return Promise.resolve();
    };
    await opened(synced, { checkReplica });
    await fireEvent.click(screen.getByTestId("check"));
    expect(await screen.findByTestId("check-line")).toHaveTextContent("does not fit");
    await waitFor(() =>
      expect(screen.getByTestId("check-summary")).toHaveTextContent("1 thing stands in the way."),
    );
  });

  it("says what a deletion could not clean up", async () => {
    const left = "d:6379 was not cleaned up.";
    const app = await opened(stopped, { deleteReplica: () => Promise.resolve(left) });
    await fireEvent.click(screen.getByTestId("delete"));
    await fireEvent.click(screen.getByTestId("confirm-delete"));
    expect(await screen.findByTestId("app-notice-message")).toHaveTextContent(left);
    expect(app.router.route).toEqual({ view: "overview" });
  });
});
