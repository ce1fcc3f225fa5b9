import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../../app/App.svelte";
import type { Backend } from "$lib/api/backend";
import type { DifferencePage } from "$lib/api/generated/DifferencePage";
import type { DifferenceView } from "$lib/api/generated/DifferenceView";
import type { VerifyLive } from "$lib/api/generated/VerifyLive";
import { countKinds } from "$lib/domain/verify";
import { AppState } from "$lib/stores/app.svelte";
import {
  backend,
  definition,
  difference,
  failure,
  replica,
  source,
  verification,
} from "../../../test/samples";

const inStep = { status: "synced", phase: "synced" } as const;
const synced = replica({ ...inStep, destination: "d:6379", sources: [source(inStep)] });

async function opened(verify: VerifyLive | null, over: Partial<Backend> = {}): Promise<AppState> {
  const app = new AppState(backend({ subscribe: () => Promise.resolve(), ...over }));
  await app.begin();
  app.keep(definition());
  tell(app, verify);
  app.router.go({ view: "replica", id: "r1", tab: "verify" });
  render(App, { app });
  return app;
}

function tell(app: AppState, verify: VerifyLive | null): void {
  app.live.apply({ at: Date.now(), replicas: [{ ...synced, verify }], events: [] });
}

function listing(all: DifferenceView[]): Backend["differences"] {
  return vi.fn<Backend["differences"]>((_, kind, offset, limit) => {
    const wanted = all.filter((one) => kind === null || one.kind === kind);
    const open = countKinds(all.filter((one) => !one.repair).map((one) => one.kind));
    const differences = wanted.slice(offset, offset + limit);
    const page: DifferencePage = { run: 1, total: wanted.length, offset, open, differences };
    return Promise.resolve(page);
  });
}

const three = [
  difference({ id: 0, key: "cart:1", kind: "value" }),
  difference({ id: 1, key: "cart:2", kind: "missing" }),
  difference({ id: 2, key: "cart:3", kind: "extra", source: null }),
];
const found = verification({
  stage: "done",
  endedAt: 49_000,
  differences: 3,
  byKind: { missing: 1, extra: 1, type: 0, value: 1, expiry: 0 },
});

describe("the Verify tab", () => {
  it("explains itself, and starts with what was chosen", async () => {
    const startVerify = vi.fn(() => Promise.resolve(1));
    const app = await opened(null, { startVerify });
    expect(screen.getByTestId("verify")).toHaveTextContent("it writes nothing");
    expect(screen.queryByTestId("verify-behind")).toBeNull();
    await fireEvent.click(screen.getByTestId("verify-mode-full"));
    await fireEvent.input(screen.getByTestId("verify-limit"), { target: { value: "none" } });
    await fireEvent.click(screen.getByTestId("verify-start"));
    expect(screen.getByTestId("verify")).toHaveTextContent("A whole number, 1 or more.");
    expect(startVerify).not.toHaveBeenCalled();
    await fireEvent.input(screen.getByTestId("verify-limit"), { target: { value: "5,000" } });
    await fireEvent.click(screen.getByTestId("verify-start"));
    expect(startVerify).toHaveBeenLastCalledWith("r1", { mode: "full", keysPerSecond: 5000 });
    await waitFor(() => expect(screen.getByTestId("verify-start")).toHaveTextContent("Starting…"));
    tell(app, verification());
    expect(await screen.findByTestId("verify-percent")).toHaveTextContent("50 %");
  });

  it("says that differences are to be expected of a replica that does not run", async () => {
    const app = await opened(null);
    const stopped = replica({ status: "stopped", phase: "stopped", sources: [] });
    app.live.apply({ at: Date.now(), replicas: [stopped], events: [] });
    await waitFor(() =>
      expect(screen.getByTestId("verify-behind")).toHaveTextContent("is not running"),
    );
    await fireEvent.click(screen.getByTestId("verify-no-limit"));
    expect(screen.getByTestId("verify-limit")).toBeDisabled();
  });

  it("shows how far it is, stops on request, and goes on behind the other tab", async () => {
    const stopVerify = vi.fn(() => Promise.resolve());
    const app = await opened(verification({ leftMs: 48_000, keysPerSec: 12_300 }), { stopVerify });
    expect(screen.getByTestId("verify-keys")).toHaveTextContent("500 of 1,000");
    expect(screen.getByTestId("verify-left")).toHaveTextContent("48 s");
    expect(screen.getByTestId("verify-rate")).toHaveTextContent("12,300");
    expect(screen.getByTestId("differences-none")).toHaveTextContent("No difference so far.");
    await fireEvent.click(screen.getByTestId("verify-stop"));
    expect(stopVerify).toHaveBeenCalledWith("r1");
    app.router.go({ view: "replica", id: "r1" });
    tell(app, verification({ keysDone: 600 }));
    await waitFor(() => expect(screen.getByTestId("tab-verify")).toHaveTextContent("60 %"));
    expect(screen.queryByTestId("verify")).toBeNull();
  });

  it("calls it equal in a word and with a shape", async () => {
    await opened(verification({ stage: "done", equal: 1_000_000, endedAt: 49_000 }));
    expect(screen.getByTestId("verify-verdict")).toHaveTextContent("Equal: 1,000,000 keys");
    expect(screen.getByTestId("verify-result")).toHaveAttribute("data-verdict", "equal");
    expect(screen.queryByTestId("differences")).toBeNull();
    expect(screen.getByTestId("tab-verify")).toHaveTextContent("equal");
    expect(screen.getByTestId("verify-start")).toHaveTextContent("Verify again");
  });

  it("says why it could not finish, and what was not judged", async () => {
    const skipped = [{ why: "type ReJSON-RL", keys: 2, example: "doc:1" }];
    await opened(verification({ stage: "failed", failure, skipped, endedAt: 49_000 }));
    const result = screen.getByTestId("verify-result");
    expect(result).toHaveTextContent("a:6379 refused the password.");
    expect(result).toHaveTextContent("Enter the current password.");
    expect(screen.getByTestId("verify-skipped")).toHaveTextContent("2 keys: type ReJSON-RL");
  });

  it("lists, filters, and opens a row by Enter", async () => {
    const differences = listing(three);
    await opened(found, { differences });
    await waitFor(() => expect(screen.getAllByTestId("difference")).toHaveLength(3));
    expect(screen.getByTestId("differences-range")).toHaveTextContent("1–3 of 3");
    await fireEvent.click(screen.getByTestId("verify-kind-extra"));
    await waitFor(() => expect(screen.getAllByTestId("difference")).toHaveLength(1));
    expect(screen.getByTestId("difference")).toHaveTextContent("none");
    await fireEvent.keyDown(screen.getByTestId("difference"), { key: "Enter" });
    expect(screen.getByTestId("difference-detail")).toHaveTextContent("list of 3");
    await fireEvent.click(screen.getByTestId("verify-kind-type"));
    await waitFor(() =>
      expect(screen.getByTestId("differences-none")).toHaveTextContent("None of this kind."),
    );
  });

  it("turns the pages of a long list", async () => {
    const many = Array.from({ length: 130 }, (_, id) => difference({ id, key: `key:${id}` }));
    await opened(verification({ stage: "done", differences: 20_000, listed: 130 }), {
      differences: listing(many),
    });
    await waitFor(() => expect(screen.getAllByTestId("difference")).toHaveLength(100));
    expect(screen.getByTestId("differences")).toHaveTextContent("the first 130 of 20,000");
    await fireEvent.click(screen.getByTestId("page-next"));
    await waitFor(() =>
      expect(screen.getByTestId("differences-range")).toHaveTextContent("101–130 of 130"),
    );
    expect(screen.getByTestId("page-next")).toBeDisabled();
  });

  it("says exactly what a repair of all does before it does it", async () => {
    const repairDifferences = vi.fn(() => Promise.resolve());
    await opened(found, { differences: listing(three), repairDifferences });
    await waitFor(() => expect(screen.getByTestId("verify-repair-open")).toBeEnabled());
    await fireEvent.click(screen.getByTestId("verify-repair-open"));
    expect(screen.getByTestId("repair-plan")).toHaveTextContent(
      "At d:6379 this writes 2 keys as their sources hold them and deletes 1 key that no source has.",
    );
    expect(screen.getByTestId("confirm-repair")).toHaveTextContent("Repair and delete 1 key");
    expect(screen.getByTestId("cancel-repair")).toHaveFocus();
    expect(repairDifferences).not.toHaveBeenCalled();
    await fireEvent.click(screen.getByTestId("confirm-repair"));
    await waitFor(() => expect(repairDifferences).toHaveBeenCalledWith("r1", 1, null));
    await waitFor(() => expect(screen.queryByTestId("repair-panel")).toBeNull());
  });

  it("repairs those that were chosen by Space, and Esc takes the question back", async () => {
    const repairDifferences = vi.fn(() => Promise.resolve());
    const app = await opened(found, { differences: listing(three), repairDifferences });
    const [first] = await screen.findAllByTestId("difference");
    await fireEvent.keyDown(first ?? document.body, { key: " " });
    await fireEvent.click(screen.getByTestId("verify-repair-open"));
    expect(screen.getByTestId("repair-plan")).toHaveTextContent(
      "this writes 1 key as its source holds it.",
    );
    await fireEvent.keyDown(screen.getByTestId("cancel-repair"), { key: "Escape" });
    await waitFor(() => expect(screen.queryByTestId("repair-panel")).toBeNull());
    expect(app.router.route).toEqual({ view: "replica", id: "r1", tab: "verify" });
    await fireEvent.click(screen.getByTestId("verify-repair-open"));
    await fireEvent.click(screen.getByTestId("confirm-repair"));
    await waitFor(() => expect(repairDifferences).toHaveBeenCalledWith("r1", 1, [0]));
  });

  it("shows what came of a repair, row by row and in a sentence", async () => {
    const repaired = [
      difference({ id: 0, repair: { outcome: "repaired", why: null } }),
      difference({ id: 1, repair: { outcome: "not_repaired", why: "Out of memory." } }),
    ];
    const repair = { asked: 2, repaired: 1, notRepaired: 1 };
    await opened({ ...found, differences: 2, repair }, { differences: listing(repaired) });
    const outcomes = await screen.findAllByTestId("difference-repair");
    expect(outcomes[0]).toHaveTextContent("repaired");
    expect(outcomes[1]).toHaveTextContent("not repaired: Out of memory.");
    expect(screen.getByTestId("verify-repair")).toHaveTextContent("1 of 2 differences repaired.");
    expect(screen.getAllByTestId("choose")[0]).toBeDisabled();
    expect(screen.getByTestId("tab-verify")).toHaveTextContent("1 left");
  });

  it("writes the list to a file, and says where it is or what is wrong with it", async () => {
    const there = { code: "invalid", message: "It is there already.", hint: null, field: "path" };
    const exportDifferences = vi
      .fn<Backend["exportDifferences"]>()
      .mockRejectedValueOnce(there)
      .mockResolvedValue({ path: "/home/op/other.csv", differences: 3 });
    const exportPath: Backend["exportPath"] = (_, format) =>
      Promise.resolve(`/home/op/a.${format}`);
    await opened(found, { differences: listing(three), exportDifferences, exportPath });
    await fireEvent.click(screen.getByTestId("verify-export"));
    await waitFor(() => expect(screen.getByTestId("export-path")).toHaveValue("/home/op/a.csv"));
    await fireEvent.click(screen.getByTestId("confirm-export"));
    expect(await screen.findByTestId("export-path-error")).toHaveTextContent("is there already");
    expect(screen.queryByTestId("verify-refused")).toBeNull();
    await fireEvent.input(screen.getByTestId("export-path"), {
      target: { value: "/home/op/other.csv" },
    });
    await fireEvent.click(screen.getByTestId("confirm-export"));
    expect(await screen.findByTestId("export-done")).toHaveTextContent("/home/op/other.csv");
    expect(exportDifferences).toHaveBeenLastCalledWith("r1", "csv", "/home/op/other.csv");
  });
});
