import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../app/App.svelte";
import type { Backend } from "$lib/api/backend";
import type { FileFacts } from "$lib/api/generated/FileFacts";
import type { FileLoadLive } from "$lib/api/generated/FileLoadLive";
import type { FileLoadReview } from "$lib/api/generated/FileLoadReview";
import { FileLoadForm, validateFileLoad } from "$lib/forms/fileLoad.svelte";
import { AppState } from "$lib/stores/app.svelte";
import { backend, failure } from "../../test/samples";

const FILE: FileFacts = {
  path: "/dump.rdb",
  product: "Redis",
  serverVersion: "7.0.15",
  rdbVersion: 10,
  created: 1_700_000_000_000,
  size: 226_687,
  usedMemory: null,
  beginsAof: false,
};

const SERVER = {
  product: "Redis",
  version: "7.0.15",
  keys: 12,
  usedMemory: 1_000_000,
  maxMemory: null,
};

function review(over: Partial<FileLoadReview> = {}): FileLoadReview {
  return {
    file: FILE,
    destination: "d:6379",
    server: SERVER,
    keys: 12,
    databases: [{ db: 0, keys: 12 }],
    functions: 1,
    deletesEverything: true,
    refusal: null,
    ...over,
  };
}

function live(over: Partial<FileLoadLive> = {}): FileLoadLive {
  return {
    path: "/dump.rdb",
    destination: "d:6379",
    phase: "loading",
    progress: 41.7,
    bytesDone: 417_000,
    bytesTotal: 1_000_000,
    bytesPerSec: 100_000,
    timeLeftMs: 5_800,
    keys: 4_112,
    functions: 0,
    expired: 3,
    checkpoints: 0,
    omitted: 0,
    incomplete: true,
    warnings: [],
    failure: null,
    ...over,
  };
}

async function opened(over: Partial<Backend> = {}): Promise<AppState> {
  const inspectFile = () => Promise.resolve(FILE);
  const app = new AppState(backend({ subscribe: () => Promise.resolve(), inspectFile, ...over }));
  await app.begin();
  render(App, { app });
  await press("load-file");
  return app;
}

async function type(field: string, value: string): Promise<void> {
  await fireEvent.input(screen.getByTestId(field), { target: { value } });
}

async function press(testid: string): Promise<void> {
  await fireEvent.click(screen.getByTestId(testid));
}

async function checked(): Promise<void> {
  await type("path", "/dump.rdb");
  await type("destination.host", "d");
  await press("check-load");
  await screen.findByTestId("load-review");
}

describe("the form for loading a file", () => {
  it("names each field that is missing or malformed", () => {
    const form = new FileLoadForm();
    form.path = "dump.rdb";
    form.db = "x";
    form.destination.port = "0";
    expect(Object.keys(validateFileLoad(form)).sort()).toEqual([
      "db",
      "destination.host",
      "destination.port",
      "path",
    ]);
    form.path = "~/dump.rdb";
    form.db = "";
    form.destination.host = "d";
    form.destination.port = "6379";
    expect(validateFileLoad(form)).toEqual({});
    form.destination.db = "3";
    expect(validateFileLoad(form)["db"]).toContain("which one of the file");
    form.db = "0";
    expect(validateFileLoad(form)).toEqual({});
  });

  it("takes the file of the desktop's dialog and says who wrote it", async () => {
    const inspectFile = vi.fn(() => Promise.resolve(FILE));
    await opened({ chooseFile: () => Promise.resolve("/dump.rdb"), inspectFile });
    await press("choose-file");
    expect(await screen.findByTestId("file-facts")).toHaveTextContent("Redis 7.0.15");
    expect(screen.getByTestId("path")).toHaveValue("/dump.rdb");
    expect(inspectFile).toHaveBeenCalledExactlyOnceWith("/dump.rdb");
    await type("path", "/other.rdb");
    expect(screen.queryByTestId("file-facts")).toBeNull();
  });

  it("keeps the path when the dialog is left without a choice", async () => {
    await opened({ chooseFile: () => Promise.resolve(null) });
    await type("path", "/dump.rdb");
    await press("choose-file");
    expect(screen.getByTestId("path")).toHaveValue("/dump.rdb");
  });

  it("shows what is wrong with the file beside its path", async () => {
    const refused = { code: "file_unreadable", message: "No file.", hint: "Look.", field: "path" };
    await opened({ inspectFile: () => Promise.reject(refused) });
    await type("path", "/dump.rdb");
    await fireEvent.blur(screen.getByTestId("path"));
    expect(await screen.findByTestId("path-error")).toHaveTextContent("No file. Look.");
  });

  it("does not start where keys are and nobody has said what is to become of them", async () => {
    const startFileLoad = vi.fn(() => Promise.resolve());
    await opened({ reviewFileLoad: () => Promise.resolve(review()), startFileLoad });
    await checked();
    expect(screen.getByTestId("load-refusal-message")).toHaveTextContent("d:6379 holds 12 keys");
    expect(screen.getByTestId("start-load")).toBeDisabled();
    await press("existing-replace");
    expect(screen.getByTestId("load-sentence")).toHaveTextContent("12 keys at d:6379 stay");
    await press("start-load");
    expect(startFileLoad).toHaveBeenCalledWith(
      expect.objectContaining({ existing: "replace" }),
      null,
    );
  });

  it("deletes only when the address was typed", async () => {
    const startFileLoad = vi.fn(() => Promise.resolve());
    await opened({ reviewFileLoad: () => Promise.resolve(review()), startFileLoad });
    await checked();
    await press("skip-functions");
    await press("existing-flush");
    expect(screen.getByTestId("load-sentence")).toHaveTextContent(
      "This deletes 12 keys and 1 function library at d:6379",
    );
    expect(screen.getByTestId("start-load")).toBeDisabled();
    await type("confirm-address", "d:6379");
    await press("start-load");
    expect(startFileLoad).toHaveBeenCalledWith(
      expect.objectContaining({
        path: "/dump.rdb",
        existing: "flush",
        db: null,
        skipFunctions: true,
        skipModuleKeys: false,
      }),
      "d:6379",
    );
  });

  it("refuses the destination of a replica whatever is chosen", async () => {
    await opened({ reviewFileLoad: () => Promise.resolve(review({ refusal: failure })) });
    await checked();
    await press("existing-flush");
    expect(screen.getByTestId("load-refusal-message")).toHaveTextContent(failure.message);
    expect(screen.queryByTestId("confirm-address")).toBeNull();
    expect(screen.getByTestId("start-load")).toBeDisabled();
  });

  it("loads the beginning of an append only file only when the user says so", async () => {
    const file = { ...FILE, beginsAof: true };
    await opened({
      inspectFile: () => Promise.resolve(file),
      reviewFileLoad: () => Promise.resolve(review({ file, keys: 0, functions: 0 })),
    });
    await checked();
    expect(screen.getByTestId("start-load")).toBeDisabled();
    await press("dump-only");
    expect(screen.getByTestId("start-load")).toBeEnabled();
    expect(screen.getByTestId("load-sentence")).toHaveTextContent("is empty");
  });

  it("forgets what it found when the form changes", async () => {
    await opened({ reviewFileLoad: () => Promise.resolve(review()) });
    await checked();
    await type("destination.host", "e");
    expect(screen.queryByTestId("load-review")).toBeNull();
    expect(screen.queryByTestId("start-load")).toBeNull();
  });
});

describe("a load", () => {
  it("shows its progress and can be stopped", async () => {
    const stopFileLoad = vi.fn(() => Promise.resolve());
    const app = await opened({ stopFileLoad });
    app.live.apply({ at: 1, replicas: [], events: [], fileLoad: live() });
    expect(await screen.findByTestId("load-phase")).toHaveTextContent("Loading 41 %");
    expect(screen.getByTestId("load-keys")).toHaveTextContent("4,112");
    expect(screen.getByTestId("load-left")).toHaveTextContent("5.8 s");
    expect(screen.getByTestId("nav-load")).toHaveTextContent("41 %");
    await press("stop-load");
    expect(stopFileLoad).toHaveBeenCalledOnce();
  });

  it("says what is in and what was left out, and makes room for another", async () => {
    const dismissFileLoad = vi.fn(() => Promise.resolve());
    const app = await opened({ dismissFileLoad });
    const done = live({ phase: "done", progress: 100, incomplete: false });
    app.live.apply({ at: 1, replicas: [], events: [], fileLoad: done });
    expect(await screen.findByTestId("load-expired")).toHaveTextContent("3");
    expect(screen.queryByTestId("stop-load")).toBeNull();
    await press("load-another");
    expect(dismissFileLoad).toHaveBeenCalledOnce();
    await waitFor(() => expect(screen.getByTestId("load-form")).toBeInTheDocument());
  });

  it("says why it failed and what to do", async () => {
    const app = await opened();
    app.live.apply({
      at: 1,
      replicas: [],
      events: [],
      fileLoad: live({ phase: "failed", failure }),
    });
    expect(await screen.findByTestId("load-failure-message")).toHaveTextContent(failure.message);
    expect(screen.getByTestId("load-failure")).toHaveTextContent(failure.hint);
  });
});
