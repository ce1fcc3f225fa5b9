import { fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import { describe, expect, it, vi } from "vitest";
import App from "../../app/App.svelte";
import type { Backend } from "$lib/api/backend";
import type { CertificateView } from "$lib/api/generated/CertificateView";
import { AppState } from "$lib/stores/app.svelte";
import { backend, definition, endpointView, replica, review, source } from "../../test/samples";

const DAY = 86_400_000;

function certificate(over: Partial<CertificateView> = {}): CertificateView {
  return {
    subject: "CN=d",
    issuer: "CN=Example CA",
    names: ["d", "10.0.0.1"],
    notBefore: Date.now() - DAY,
    notAfter: Date.now() + DAY,
    fingerprint: Array.from({ length: 32 }, () => "AB").join(":"),
    authority: false,
    pem: "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
    ...over,
  };
}

const authority = certificate({
  subject: "CN=Example CA",
  names: [],
  fingerprint: Array.from({ length: 32 }, () => "CD").join(":"),
  authority: true,
  pem: "ca",
});

const unknown = {
  message: "d:6379: its certificate was issued by “CN=Example CA”, which is not trusted",
  hint: "Choose the CA file of the server's authority.",
};

async function opened(over: Partial<Backend> = {}): Promise<AppState> {
  const app = new AppState(backend({ subscribe: () => Promise.resolve(), ...over }));
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

async function paste(prefix: string, url: string): Promise<void> {
  await type(`${prefix}.url`, url);
  await fireEvent.blur(screen.getByTestId(`${prefix}.url`));
}

async function toSource(): Promise<void> {
  await type("name", "sessions");
  await type("destination.host", "d");
  await press("next");
}

/** The form with an encrypted destination whose certificates are on show. */
async function showing(certificates: Backend["certificates"]): Promise<AppState> {
  const app = await opened({ certificates });
  await type("destination.host", "d");
  await press("destination.tls");
  screen.getByTestId("show-certificates").focus();
  await press("show-certificates");
  await screen.findAllByTestId("certificate");
  return app;
}

describe("the TLS options in the form", () => {
  it("stay closed while all is as usual, and open where something is not", async () => {
    await opened();
    expect(screen.queryByTestId("destination.tls-options")).toBeNull();
    await press("destination.tls");
    const options = screen.getByTestId("destination.tls-options");
    expect(options).toHaveAttribute("aria-expanded", "false");
    await paste("destination", "rediss://d?ca=/ca.pem&cert=/c.pem&key=/k.pem&sni=db&tls-min=1.3");
    await waitFor(() => expect(options).toHaveAttribute("aria-expanded", "true"));
    expect(screen.getByTestId("destination.tls.path")).toHaveValue("/ca.pem");
    expect(screen.getByTestId("destination.tls.identity.certificate")).toHaveValue("/c.pem");
    expect(screen.getByTestId("destination.tls.identity.key")).toHaveValue("/k.pem");
    expect(screen.getByTestId("destination.tls.serverName")).toHaveValue("db");
    expect(screen.getByTestId("destination.tls.oldest-1.3")).toHaveAttribute("data-state", "on");
    await press("destination.tls-options");
    expect(options).toHaveTextContent("A CA file · db · Client certificate · TLS 1.3 or later");
  });

  it("keep the warning in sight when they are closed", async () => {
    await opened();
    await press("destination.tls");
    await press("destination.tls-options");
    await press("destination.tls.insecure");
    await press("destination.tls-options");
    expect(screen.getByTestId("unverified")).toHaveTextContent("Unverified");
  });

  it("take a file of the desktop's dialog", async () => {
    await opened({ chooseFile: () => Promise.resolve("/etc/redis/ca.pem") });
    await press("destination.tls");
    await press("destination.tls-options");
    await press("destination.tls.trust-file");
    await press("destination.tls.path-choose");
    await waitFor(() =>
      expect(screen.getByTestId("destination.tls.path")).toHaveValue("/etc/redis/ca.pem"),
    );
  });

  it("say what a pasted text holds, that it has expired, and that rubbish is none", async () => {
    const expired = certificate({ notAfter: Date.now() - DAY });
    const refused = { code: "invalid", message: "No certificate.", hint: null, field: null };
    const readCertificates = vi.fn<Backend["readCertificates"]>((pem) =>
      pem.includes("MIIC") ? Promise.resolve([expired]) : Promise.reject(refused),
    );
    await opened({ readCertificates });
    await press("destination.tls");
    await press("destination.tls-options");
    await press("destination.tls.trust-certificate");
    await type("destination.tls.pem", "-----BEGIN CERTIFICATE-----\n???");
    expect(readCertificates).not.toHaveBeenCalled();
    await type("destination.tls.pem", expired.pem);
    const line = await screen.findByTestId("pasted-certificate");
    expect(line).toHaveTextContent("CN=d issued by CN=Example CA valid until");
    expect(line).toHaveTextContent("Expired");
    expect(line).toHaveTextContent(expired.fingerprint);
    await type("destination.tls.pem", "-----BEGIN CERTIFICATE-----???-----END CERTIFICATE-----");
    expect(await screen.findByTestId("destination.tls.pem-error")).toHaveTextContent(
      "No certificate.",
    );
    expect(screen.queryByTestId("pasted-certificate")).toBeNull();
  });

  it("open again for what is wrong in them", async () => {
    await opened();
    await press("destination.tls");
    await press("destination.tls-options");
    await press("destination.tls.trust-file");
    await press("destination.tls-options");
    expect(screen.queryByTestId("destination.tls.path")).toBeNull();
    await press("next");
    expect(await screen.findByTestId("destination.tls.path-error")).toHaveTextContent("path");
    expect(screen.getByTestId("destination.tls-options")).toHaveAttribute("aria-expanded", "true");
  });

  it("show what the backend refuses in a source's", async () => {
    const field = "sources[0].tls.path";
    const refused = { code: "invalid", message: "No such file.", hint: null, field };
    await opened({ reviewDraft: () => Promise.reject(refused) });
    await toSource();
    await paste("sources[0]", "rediss://a?ca=/ca.pem");
    await waitFor(() => expect(screen.getByTestId(field)).toHaveValue("/ca.pem"));
    await press("next");
    await press("next");
    expect(await screen.findByTestId(`${field}-error`)).toHaveTextContent("No such file.");
  });

  it("keep a stored passphrase, change it, and take that back", async () => {
    const app = await opened();
    const identity = { certificate: "/c.pem", key: "/k.pem", hasPassphrase: true };
    app.keep(definition({ destination: endpointView("d", { identity }) }));
    app.router.go({ view: "edit", id: "r1" });
    const name = "destination.tls.identity.passphrase";
    expect(await screen.findByTestId(name)).toBeDisabled();
    await press(`${name}-change`);
    await waitFor(() => expect(screen.getByTestId(name)).toHaveFocus());
    await type(name, "secret");
    expect(screen.getByTestId("destination.tls.identity.this-run-only")).toBeInTheDocument();
    await press(`${name}-keep`);
    expect(screen.getByTestId(name)).toBeDisabled();
    await waitFor(() => expect(screen.getByTestId(`${name}-change`)).toHaveFocus());
  });
});

describe("the certificates of a server", () => {
  it("are shown with what they say and why they are not believed", async () => {
    const chain = [certificate(), authority];
    await showing(() => Promise.resolve({ version: null, chain, failure: unknown }));
    const [own, issuer] = screen.getAllByTestId("certificate");
    expect(screen.getByTestId("certificates-failure-message")).toHaveTextContent("not trusted");
    expect(screen.getByTestId("certificates-failure")).toHaveTextContent("Choose the CA file");
    expect(own).toHaveTextContent("The server's own");
    expect(own).toHaveTextContent("d, 10.0.0.1");
    expect(issuer).toHaveTextContent("Authority");
    expect(issuer).toHaveTextContent("(itself)");
    expect(screen.getAllByTestId("fingerprint")[1]).toHaveTextContent(authority.fingerprint);
    expect(screen.getAllByTestId("trust-certificate")).toHaveLength(1);
  });

  it("are shown also where a server sends its own twice", async () => {
    const chain = [certificate(), certificate(), authority];
    await showing(() => Promise.resolve({ version: "TLS 1.3", chain, failure: null }));
    expect(screen.getAllByTestId("certificate")).toHaveLength(3);
    expect(screen.getAllByTestId("trust-certificate")).toHaveLength(1);
  });

  it("can be trusted one by itself, and the server is asked again", async () => {
    const own = certificate();
    const certificates = vi.fn<Backend["certificates"]>(({ tls }) =>
      Promise.resolve(
        tls?.trust.kind === "certificate"
          ? { version: "TLS 1.3", chain: [own], failure: null }
          : { version: null, chain: [own], failure: unknown },
      ),
    );
    await showing(certificates);
    await press("trust-certificate");
    await waitFor(() =>
      expect(screen.getByTestId("certificates-status")).toHaveTextContent("TLS 1.3"),
    );
    expect(screen.queryByTestId("certificates-failure")).toBeNull();
    expect(screen.getByTestId("trust-certificate")).toHaveTextContent("Just this one is trusted");
    expect(screen.getByTestId("destination.tls.pem")).toHaveValue(own.pem);
    const trust = { kind: "certificate", pem: own.pem.trim() };
    expect(certificates.mock.calls[1]?.[0].tls).toMatchObject({ trust, insecure: false });
    expect(certificates.mock.calls[1]?.[1]).toMatchObject({ role: "destination" });
  });

  it("are closed by Esc, which gives the focus back and stays in the form", async () => {
    await showing(() =>
      Promise.resolve({ version: "TLS 1.3", chain: [certificate()], failure: null }),
    );
    expect(screen.getByTestId("certificates")).toHaveFocus();
    await fireEvent.keyDown(screen.getByTestId("certificates"), { key: "Escape" });
    expect(screen.queryByTestId("certificates")).toBeNull();
    expect(screen.getByTestId("show-certificates")).toHaveFocus();
    expect(screen.getByTestId("edit-view")).toBeInTheDocument();
  });

  it("are marked where their time is over or has not come, and not to be trusted then", async () => {
    const early = certificate({ ...authority, notBefore: Date.now() + DAY });
    const chain = [certificate({ notAfter: Date.now() - DAY }), early];
    await showing(() => Promise.resolve({ version: null, chain, failure: unknown }));
    const marks = screen.getAllByTestId("certificate-validity");
    expect(marks.map((mark) => mark.textContent.trim())).toEqual(["Expired", "Not valid yet"]);
    expect(screen.queryByTestId("trust-certificate")).toBeNull();
  });

  it("say why a form could not be asked about", async () => {
    const refused = { code: "invalid", message: "Choose a file.", hint: null, field: "x" };
    await opened({ certificates: () => Promise.reject(refused) });
    await type("destination.host", "d");
    await press("destination.tls");
    await press("show-certificates");
    expect(await screen.findByTestId("certificates-failure-message")).toHaveTextContent(
      "Choose a file.",
    );
  });
});

describe("compression in the form", () => {
  it("is a source's, says how to come by it, and is sent", async () => {
    const reviewDraft = vi.fn<Backend["reviewDraft"]>(() => Promise.resolve(review()));
    await opened({ reviewDraft });
    expect(screen.queryByTestId("destination.compression")).toBeNull();
    await toSource();
    await type("sources[0].host", "a");
    await press("sources[0].compression");
    expect(screen.getByTestId("edit-view")).toHaveTextContent("tributary relay --listen");
    await press("next");
    await press("next");
    await screen.findByTestId("review");
    expect(reviewDraft.mock.calls[0]?.[0].sources[0]?.endpoint.compression).toBe(true);
  });

  it("is filled by a URL for a source and refused for the destination", async () => {
    await opened();
    await paste("destination", "redis://d?compress=gzip");
    expect(await screen.findByTestId("destination.url-error")).toHaveTextContent("for sources");
    expect(screen.getByTestId("destination.host")).toHaveValue("");
    await toSource();
    await paste("sources[0]", "redis://relay:7379?compress=gzip");
    await waitFor(() => expect(screen.getByTestId("sources[0].compression")).toBeChecked());
  });

  it("stands with what was measured", async () => {
    const app = await opened();
    const [first] = definition().sources;
    if (!first) throw new Error("no source in the sample");
    const endpoint = { ...first.endpoint, compression: true };
    app.keep(definition({ sources: [{ ...first, endpoint }] }));
    const measured = { compression: true, ratio: 4.31, relayCpu: 0.05, decompressCpu: null };
    app.live.apply({ at: 1, replicas: [replica({ sources: [source(measured)] })], events: [] });
    app.router.go({ view: "edit", id: "r1", at: "sources" });
    expect(await screen.findByTestId("sources[0].measured")).toHaveTextContent(
      "Measured: 4.3 : 1. Of one core it takes 5.0 % at the relay and – here.",
    );
    expect(within(screen.getByTestId("edit-view")).queryByTestId("unverified")).toBeNull();
  });
});
