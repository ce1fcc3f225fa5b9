import { fireEvent, render, screen } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../app/App.svelte";
import type { EndpointView } from "$lib/api/generated/EndpointView";
import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";
import type { SourceLive } from "$lib/api/generated/SourceLive";
import { AppState } from "$lib/stores/app.svelte";
import { backend, definition, endpointView, failure, replica, source } from "../../test/samples";

vi.mock("$lib/domain/charts/plot", () => ({
  // jsdom has no canvas; what is drawn is looked at in the window.
  makePlot: () => ({ setData: vi.fn(), setSize: vi.fn(), destroy: vi.fn() }),
  aligned: () => [],
}));

type Ends = { from?: EndpointView; to?: EndpointView };

async function begun(live: ReplicaLive, { from, to }: Ends = {}): Promise<AppState> {
  const app = new AppState(backend({ subscribe: () => Promise.resolve() }));
  await app.begin();
  const sample = definition();
  const sources = sample.sources.map((one) => ({ ...one, endpoint: from ?? one.endpoint }));
  app.keep({ ...sample, destination: to ?? sample.destination, sources });
  app.live.apply({ at: Date.now(), replicas: [live], events: [] });
  render(App, { app });
  return app;
}

async function opened(live: ReplicaLive, ends: Ends = {}): Promise<AppState> {
  const app = await begun(live, ends);
  app.router.go({ view: "replica", id: "r1" });
  await screen.findByTestId("replica-view");
  return app;
}

const inStep = { status: "synced", phase: "synced" } as const;
const withSource = (over: Partial<SourceLive>): ReplicaLive =>
  replica({ ...inStep, sources: [source({ ...inStep, ...over })] });

const gzipped = { ...endpointView("relay", {}), compression: true };
const figures = {
  compression: true,
  tls: true,
  bytesPerSec: 1_600_000,
  wireBytesPerSec: 372_000,
  bytes: 350_000_000_000,
  wireBytes: 81_400_000_000,
  ratio: 4.3,
  savedBytes: 268_600_000_000,
  relayBehind: false,
  relayCpu: 0.031,
  decompressCpu: 0.009,
};

describe("the link of a source", () => {
  it("stands in its row: marks, the rate on the wire, the decompressed one behind it", async () => {
    await opened(withSource(figures), { from: gzipped });
    expect(screen.getByTestId("link-tls")).toHaveTextContent("TLS");
    expect(screen.getByTestId("link-gzip")).toHaveTextContent("gzip");
    expect(screen.getByTestId("wire-per-sec")).toHaveTextContent("372 kB/s");
    expect(screen.getByTestId("wire-per-sec")).toHaveAttribute("title", "1.6 MB/s decompressed");
    expect(screen.queryByTestId("unverified")).toBeNull();
  });

  it("tells in detail what compression gives and costs", async () => {
    await opened(withSource(figures), { from: gzipped });
    await fireEvent.click(screen.getByTestId("source-toggle"));
    expect(screen.getByTestId("link-encryption")).toHaveTextContent("TLS system's authorities");
    expect(screen.getByTestId("wire-bytes")).toHaveTextContent("81.4 GB");
    expect(screen.getByTestId("decompressed-bytes")).toHaveTextContent("350 GB");
    expect(screen.getByTestId("ratio")).toHaveTextContent("4.3 : 1");
    expect(screen.getByTestId("saved-bytes")).toHaveTextContent("269 GB");
    expect(screen.getByTestId("relay-cpu")).toHaveTextContent("3.1 % of a core");
    expect(screen.getByTestId("decompress-cpu")).toHaveTextContent("0.9 % of a core");
    expect(screen.queryByTestId("relay-behind")).toBeNull();
  });

  it("says – for what is not known, and nothing of compression where there is none", async () => {
    await opened(withSource({ compression: true }), { from: gzipped });
    await fireEvent.click(screen.getByTestId("source-toggle"));
    for (const figure of ["wire-bytes", "ratio", "saved-bytes", "relay-cpu", "decompress-cpu"]) {
      expect(screen.getByTestId(figure)).toHaveTextContent("–");
    }
  });

  it("is told as not encrypted and not compressed where it is neither", async () => {
    await opened(withSource({}));
    await fireEvent.click(screen.getByTestId("source-toggle"));
    expect(screen.getByTestId("link-encryption")).toHaveTextContent("not encrypted");
    expect(screen.getByTestId("link-compression")).toHaveTextContent("off");
    expect(screen.queryByTestId("ratio")).toBeNull();
    expect(screen.queryByTestId("link-tls")).toBeNull();
  });

  it("says that the relay does not keep up, in the row and in detail", async () => {
    await opened(withSource({ ...figures, relayBehind: true }), { from: gzipped });
    expect(screen.getByTestId("link-gzip")).toHaveTextContent("does not keep up");
    await fireEvent.click(screen.getByTestId("source-toggle"));
    expect(screen.getByTestId("relay-behind")).toHaveTextContent("give the relay a faster core");
  });

  it("says what to do where no relay is, and opens that source", async () => {
    const missing = { ...failure, kind: "not_relay", message: "a:6379 is no relay." };
    const halted = { status: "stopped", phase: "stopped", failure: missing } as const;
    const app = await opened(replica({ ...halted, sources: [source(halted)] }), { from: gzipped });
    expect(screen.getByTestId("failure-message")).toHaveTextContent("is no relay");
    await fireEvent.click(screen.getByTestId("remedy-source"));
    expect(app.router.route).toEqual({ view: "edit", id: "r1", at: "sources", source: "s1" });
    expect(await screen.findByTestId("sources[0].compression")).toBeChecked();
  });
});

describe("an endpoint whose certificate is not verified", () => {
  const unverified = endpointView("a", { insecure: true });

  it("is marked in its row, in words, in place of the lock", async () => {
    await opened(withSource({ tls: true, insecure: true }), { from: unverified });
    expect(screen.getByTestId("source-row")).toHaveTextContent("Unverified");
    expect(screen.queryByTestId("link-tls")).toBeNull();
  });

  it("is marked in the header when it is the destination", async () => {
    await opened(withSource({}), { to: unverified });
    expect(screen.getByTestId("unverified")).toBeInTheDocument();
    expect(screen.getByTestId("source-row")).not.toHaveTextContent("Unverified");
  });

  it("marks the replica in the overview", async () => {
    const app = await begun({ ...withSource({}), insecure: true });
    expect(screen.getByTestId("replica-row")).toHaveTextContent("Unverified");
    app.live.apply({ at: Date.now(), replicas: [withSource({})], events: [] });
    await vi.waitFor(() =>
      expect(screen.getByTestId("replica-row")).not.toHaveTextContent("Unverified"),
    );
  });
});

describe("the charts", () => {
  it("set the wire against what is decompressed, for screen readers too", async () => {
    await opened({ ...withSource(figures), bytesPerSec: 1_600_000, wireBytesPerSec: 372_000 });
    const chart = await screen.findByTestId("throughput-chart");
    expect(chart).toHaveTextContent("Decompressed");
    expect(chart).toHaveTextContent("Throughput, wire, over the last 5 minutes");
    await fireEvent.click(chart.querySelector("summary") ?? chart);
    await vi.waitFor(() => expect(chart.querySelectorAll("th")).toHaveLength(3));
  });
});
