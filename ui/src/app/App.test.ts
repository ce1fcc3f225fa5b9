import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import type { Backend } from "$lib/api/backend";
import type { CloseRequest } from "$lib/api/generated/CloseRequest";
import { AppState } from "$lib/stores/app.svelte";
import { backend, definition } from "../test/samples";
import App from "./App.svelte";

async function opened(over: Partial<Backend> = {}): Promise<AppState> {
  const app = new AppState(backend({ subscribe: () => Promise.resolve(), ...over }));
  await app.begin();
  render(App, { app });
  return app;
}

describe("the window", () => {
  it("teaches when there is nothing yet", async () => {
    await opened();
    expect(screen.getByTestId("new-replica")).toBeInTheDocument();
    expect(screen.getByTestId("try-demo")).toBeEnabled();
  });

  it("opens the form with Ctrl+N and leaves it with Esc", async () => {
    await opened();
    await fireEvent.keyDown(window, { key: "n", ctrlKey: true });
    expect(screen.getByTestId("edit-view")).toBeInTheDocument();
    await fireEvent.keyDown(window, { key: "Escape" });
    expect(screen.getByTestId("empty-overview")).toBeInTheDocument();
  });

  it("asks on closing, with the tray as the answer at hand", async () => {
    let ask: ((request: CloseRequest) => void) | undefined;
    const closeDecision = vi.fn(() => Promise.resolve());
    const onCloseRequested: Backend["onCloseRequested"] = (asked) => {
      ask = asked;
      return Promise.resolve();
    };
    await opened({ onCloseRequested, closeDecision });
    ask?.({ running: 2, loading: false });
    const tray = await screen.findByTestId("close-tray");
    expect(screen.getByTestId("close-prompt")).toHaveTextContent("2 replicas are running");
    await waitFor(() => expect(tray).toHaveFocus());
    await fireEvent.click(screen.getByTestId("close-remember"));
    await fireEvent.click(tray);
    expect(closeDecision).toHaveBeenCalledWith("tray", true);
  });

  it("offers to go on with what ran when it was closed", async () => {
    const resumeAll = vi.fn(() => Promise.resolve());
    const state = await backend().startup();
    await opened({
      startup: () => Promise.resolve({ ...state, definitions: [definition()], resumable: ["r1"] }),
      resumeAll,
    });
    expect(screen.getByTestId("resume-offer-message")).toHaveTextContent("sessions ran when");
    await fireEvent.click(screen.getByTestId("resume-accept"));
    expect(resumeAll).toHaveBeenCalledWith(true);
    expect(screen.queryByTestId("resume-offer")).toBeNull();
  });

  it("shows a command that failed and keeps the setting as it was", async () => {
    const refused = { code: "storage", message: "Disk full.", hint: null, field: null };
    const app = await opened({ saveSettings: () => Promise.reject(refused) });
    await app.saveSettings({ ...app.settings, theme: "dark" });
    expect(await screen.findByTestId("app-failure-message")).toHaveTextContent("Disk full.");
    expect(app.settings.theme).toBe("system");
    expect(document.documentElement.dataset["theme"]).toBeUndefined();
  });
});
