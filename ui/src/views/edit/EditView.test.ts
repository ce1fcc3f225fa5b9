import { fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../app/App.svelte";
import type { Backend } from "$lib/api/backend";
import { AppState } from "$lib/stores/app.svelte";
import { backend, definition, replica, review } from "../../test/samples";

async function opened(over: Partial<Backend> = {}): Promise<AppState> {
  const app = new AppState(backend(over));
  await app.begin();
  app.router.go({ view: "create" });
  render(App, { app });
  return app;
}

async function type(field: string, value: string): Promise<void> {
  await fireEvent.input(screen.getByTestId(field), { target: { value } });
}

async function press(testid: string): Promise<void> {
  await fireEvent.click(screen.getByTestId(testid));
}

async function toReview(): Promise<void> {
  await type("name", "sessions");
  await type("destination.host", "d");
  await press("next");
  await type("sources[0].host", "a");
  await press("next");
  await press("next");
}

describe("the form of a replica", () => {
  it("says what is wrong beside a field when it is left, not before", async () => {
    await opened();
    await type("destination.port", "99999");
    expect(screen.queryByTestId("destination.port-error")).toBeNull();
    await fireEvent.blur(screen.getByTestId("destination.port"));
    expect(screen.getByTestId("destination.port-error")).toHaveTextContent("1 to 65535");
    expect(screen.getByTestId("destination.port")).toHaveAttribute("aria-invalid", "true");
  });

  it("stays on a step that has errors and shows all of them", async () => {
    await opened();
    await press("next");
    expect(screen.getByTestId("name-error")).toBeInTheDocument();
    expect(screen.getByTestId("destination.host-error")).toBeInTheDocument();
    expect(screen.queryByTestId("sources[0].host")).toBeNull();
  });

  it("fills every field from a URL and does not leave the password in sight", async () => {
    await opened();
    const url = "rediss://app:s3cret@cache.internal:6380/2";
    await type("destination.url", url);
    await fireEvent.blur(screen.getByTestId("destination.url"));
    await waitFor(() =>
      expect(screen.getByTestId("destination.host")).toHaveValue("cache.internal"),
    );
    expect(screen.getByTestId("destination.port")).toHaveValue("6380");
    expect(screen.getByTestId("destination.db")).toHaveValue("2");
    expect(screen.getByTestId("destination.username")).toHaveValue("app");
    expect(screen.getByTestId("destination.password")).toHaveValue("s3cret");
    expect(screen.getByTestId("destination.tls")).toBeChecked();
    expect(screen.getByTestId("destination.url")).toHaveValue("");
    expect(document.body.textContent).not.toContain("s3cret");
  });

  it("puts the backend's refusal beside its field and loses nothing typed", async () => {
    const refused = {
      code: "same_database",
      message: "source-1 is the destination itself.",
      hint: "Choose another database.",
      field: "sources[0].host",
    };
    await opened({ reviewDraft: () => Promise.reject(refused) });
    await toReview();
    const error = await screen.findByTestId("sources[0].host-error");
    expect(error).toHaveTextContent("source-1 is the destination itself. Choose another database.");
    expect(screen.getByTestId("sources[0].host")).toHaveValue("a");
    await type("sources[0].host", "b");
    expect(screen.queryByTestId("sources[0].host-error")).toBeNull();
  });

  it("shows a refusal that belongs to no field at the top, with its hint", async () => {
    const refused = { code: "keyring_locked", message: "Locked.", hint: "Unlock it.", field: null };
    await opened({
      reviewDraft: () => Promise.resolve(review({ needsTyping: false, keys: 0 })),
      createReplica: () => Promise.reject(refused),
    });
    await toReview();
    await screen.findByTestId("review");
    await press("create-and-start");
    expect(await screen.findByTestId("form-failure-message")).toHaveTextContent("Locked.");
    expect(screen.getByTestId("form-failure-hint")).toHaveTextContent("Unlock it.");
  });

  it("deletes nothing before the name is typed, then starts with it", async () => {
    const createReplica = vi.fn<Backend["createReplica"]>(() => Promise.resolve(definition()));
    const startReplica = vi.fn(() => Promise.resolve());
    const app = await opened({
      reviewDraft: () => Promise.resolve(review()),
      createReplica,
      startReplica,
    });
    await toReview();
    expect(await screen.findByTestId("review-sentence")).toHaveTextContent("This deletes 12 keys");
    expect(screen.getByTestId("create-and-start")).toBeDisabled();
    await type("review-confirm-name", "session");
    expect(screen.getByTestId("create-and-start")).toBeDisabled();
    await type("review-confirm-name", "sessions");
    await press("create-and-start");
    await waitFor(() => expect(startReplica).toHaveBeenCalledWith("r1", "sessions"));
    expect(createReplica.mock.calls[0]?.[0].sources[0]?.endpoint.host).toBe("a");
    expect(app.router.route).toEqual({ view: "replica", id: "r1" });
  });

  it("does not start what the review refuses", async () => {
    const refusal = "The destination is a source of its own source.";
    await opened({ reviewDraft: () => Promise.resolve(review({ refusal, needsTyping: false })) });
    await toReview();
    await screen.findByText(refusal);
    expect(screen.getByTestId("create-and-start")).toBeDisabled();
  });

  it("refuses the 33rd source with a sentence", async () => {
    await opened();
    await type("name", "sessions");
    await type("destination.host", "d");
    await press("next");
    for (let added = 1; added < 32; added += 1) await press("add-source");
    expect(screen.queryByTestId("sources-error")).toBeNull();
    await press("add-source");
    expect(screen.getByTestId("sources-error")).toHaveTextContent("at most 32 sources");
  });

  it("sends the options as they were chosen", async () => {
    const reviewDraft = vi.fn<Backend["reviewDraft"]>(() => Promise.resolve(review()));
    await opened({ reviewDraft });
    await type("name", "sessions");
    await type("destination.host", "d");
    await press("next");
    await type("sources[0].host", "a");
    await press("next");
    await type("options.spoolQuota", "lots");
    await press("next");
    expect(screen.getByTestId("options.spoolQuota-error")).toHaveTextContent("whole number");
    await type("options.spoolQuota", "512");
    await press("options.expiry-exact");
    await press("options.ask-before-resync");
    await press("options.lock-down");
    await press("options.skip-module-keys");
    await press("next");
    await screen.findByTestId("review");
    expect(reviewDraft.mock.calls[0]?.[0].options).toEqual({
      spoolQuotaMb: 512,
      expiry: "exact",
      askBeforeResync: true,
      lockDown: true,
      dropFieldExpiry: false,
      skipModuleKeys: true,
      skipFunctions: false,
    });
  });

  it("asks for the master that Sentinels watch, and sends it", async () => {
    const reviewDraft = vi.fn<Backend["reviewDraft"]>(() => Promise.resolve(review()));
    await opened({ reviewDraft });
    await type("name", "sessions");
    await type("destination.host", "s1,s2:27000");
    await press("next");
    expect(screen.getByTestId("destination.host-error")).toHaveTextContent("for Sentinels");
    await press("destination.through-sentinels");
    expect(screen.getByTestId("destination.port")).toHaveValue("26379");
    await press("next");
    expect(screen.getByTestId("destination.sentinel-error")).toBeInTheDocument();
    await type("destination.sentinel", "mymaster");
    await press("next");
    await type("sources[0].host", "a");
    await press("next");
    await press("next");
    await screen.findByTestId("review");
    expect(reviewDraft.mock.calls[0]?.[0].destination).toMatchObject({
      host: "s1,s2:27000",
      port: 26379,
      sentinel: "mymaster",
    });
  });

  it("says what saving does to a replica that runs, and marks what joins it", async () => {
    const joined = review({ needsTyping: false, joins: ["source-2"], deletesEverything: false });
    const sources = [
      ...joined.sources,
      { name: "source-2", url: "redis://b", keys: 3, failure: null },
    ];
    const app = new AppState(
      backend({
        subscribe: () => Promise.resolve(),
        reviewDraft: () => Promise.resolve({ ...joined, sources }),
      }),
    );
    await app.begin();
    app.keep(definition());
    app.live.apply({ at: 1, replicas: [replica()], events: [] });
    app.router.go({ view: "edit", id: "r1" });
    render(App, { app });
    await press("step-sources");
    await press("add-source");
    await type("sources[1].host", "b");
    await press("next");
    await press("next");
    expect(await screen.findByTestId("review-joins")).toHaveTextContent("new");
    expect(screen.getByTestId("changes")).toHaveTextContent("“source-2” begins to load");
    expect(screen.getByTestId("save")).toBeEnabled();
    expect(screen.queryByTestId("create-and-start")).toBeNull();
  });

  it("checks the servers of a form before it is kept", async () => {
    const checkDraft = vi.fn<Backend["checkDraft"]>((draft, _, onLine) => {
      const endpoint = `${draft.sources[0]?.endpoint.host}:6379`;
      const line = { endpoint, source: "new", what: "Version", found: "7.0", hint: null };
      onLine({ ...line, verdict: "ok" });
      return Promise.resolve();
    });
    await opened({ checkDraft, reviewDraft: () => Promise.resolve(review()) });
    await toReview();
    await press("check");
    expect(await screen.findByTestId("check-found")).toHaveTextContent("Version");
    expect(screen.getByTestId("check-panel")).toHaveTextContent("Source source-1");
  });
});
