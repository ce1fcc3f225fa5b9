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
});
