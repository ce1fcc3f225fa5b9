import { fireEvent, render, screen } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../app/App.svelte";
import type { Backend } from "$lib/api/backend";
import type { ImportReport } from "$lib/api/generated/ImportReport";
import { AppState } from "$lib/stores/app.svelte";
import { backend, definition } from "../../test/samples";

async function opened(over: Partial<Backend>): Promise<AppState> {
  const app = new AppState(backend({ subscribe: () => Promise.resolve(), ...over }));
  await app.begin();
  app.router.go({ view: "settings" });
  render(App, { app });
  return app;
}

const report = (over: Partial<ImportReport>): ImportReport => ({
  added: [],
  replaced: [],
  missing: [],
  ...over,
});

describe("the definitions as a file", () => {
  it("says where they were written to, and nothing when no file was chosen", async () => {
    const exportDefinitions = vi
      .fn<Backend["exportDefinitions"]>()
      .mockResolvedValueOnce("/home/op/replicas.toml")
      .mockResolvedValueOnce(null);
    await opened({ exportDefinitions });
    await fireEvent.click(screen.getByTestId("export-definitions"));
    expect(await screen.findByTestId("definitions-exported")).toHaveTextContent(
      "/home/op/replicas.toml",
    );
    await fireEvent.click(screen.getByTestId("export-definitions"));
    expect(screen.queryByTestId("definitions-exported")).toBeNull();
  });

  it("shows what was taken in, which passwords are missing, and the new replicas", async () => {
    const importDefinitions = vi
      .fn<Backend["importDefinitions"]>()
      .mockResolvedValue(report({ added: ["carts"], missing: ["“carts”: enter its password"] }));
    const app = await opened({
      chooseFile: () => Promise.resolve("/tmp/in.toml"),
      importDefinitions,
    });
    const state = await app.backend.startup();
    app.backend.startup = () => Promise.resolve({ ...state, definitions: [definition()] });
    await fireEvent.click(screen.getByTestId("import-definitions"));
    const told = await screen.findByTestId("definitions-imported");
    expect(told).toHaveTextContent("Added, stopped: carts.");
    expect(told).toHaveTextContent("enter its password");
    expect(importDefinitions).toHaveBeenCalledWith("/tmp/in.toml", false);
    expect(app.definitions).toHaveLength(1);
  });

  it("replaces what is there only when the user says so", async () => {
    const there = {
      code: "already_there",
      message: "There already: “carts”.",
      hint: null,
      field: null,
    };
    const importDefinitions = vi.fn<Backend["importDefinitions"]>((_, replace) =>
      replace ? Promise.resolve(report({ replaced: ["carts"] })) : Promise.reject(there),
    );
    await opened({ chooseFile: () => Promise.resolve("/tmp/in.toml"), importDefinitions });
    await fireEvent.click(screen.getByTestId("import-definitions"));
    expect(await screen.findByTestId("definitions-failure")).toHaveTextContent("“carts”");
    await fireEvent.click(screen.getByTestId("leave-definitions"));
    expect(screen.queryByTestId("definitions-failure")).toBeNull();
    await fireEvent.click(screen.getByTestId("import-definitions"));
    await fireEvent.click(await screen.findByTestId("replace-definitions"));
    expect(await screen.findByTestId("definitions-imported")).toHaveTextContent("Replaced: carts.");
    expect(importDefinitions).toHaveBeenLastCalledWith("/tmp/in.toml", true);
  });

  it("shows what is wrong with a file", async () => {
    const wrong = { code: "invalid", message: "in.toml:3: unknown", hint: null, field: "path" };
    await opened({
      chooseFile: () => Promise.resolve("/tmp/in.toml"),
      importDefinitions: () => Promise.reject(wrong),
    });
    await fireEvent.click(screen.getByTestId("import-definitions"));
    expect(await screen.findByTestId("definitions-failure")).toHaveTextContent("in.toml:3");
    expect(screen.queryByTestId("replace-definitions")).toBeNull();
  });
});
