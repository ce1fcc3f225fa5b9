import { describe, expect, it } from "vitest";
import type { TlsView } from "$lib/api/generated/TlsView";
import { DraftForm, EndpointForm } from "./draft.svelte";
import { TlsForm } from "./tls.svelte";
import { validate, type FieldErrors } from "./validate";

const PEM = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n";

const view: TlsView = {
  trust: { kind: "file", path: "/etc/redis/ca.pem" },
  serverName: "cache.internal",
  identity: { certificate: "/c.pem", key: "/k.pem", hasPassphrase: true },
  oldest: "1.3",
  insecure: false,
};

function wrong(change: (tls: TlsForm) => void): FieldErrors {
  const form = DraftForm.blank();
  form.name = "orders";
  form.destination.host = "d";
  form.destination.tls.on = true;
  const [source] = form.sources;
  if (source) source.endpoint.host = "a";
  change(form.destination.tls);
  return validate(form, []);
}

describe("the TLS options of an endpoint", () => {
  it("are none while TLS is off, and the plain ones when it is switched on", () => {
    const endpoint = new EndpointForm();
    expect(endpoint.draft().tls).toBeNull();
    endpoint.tls.on = true;
    expect(endpoint.tls.plain).toBe(true);
    expect(endpoint.draft().tls).toEqual({
      trust: { kind: "system" },
      serverName: null,
      identity: null,
      oldest: "1.2",
      insecure: false,
    });
  });

  it("lose nothing when TLS is switched off and on again", () => {
    const form = TlsForm.of(view);
    const before = form.draft();
    form.on = false;
    expect(form.draft()).toBeNull();
    form.on = true;
    expect(form.draft()).toEqual(before);
  });

  it("remember a path and a certificate while something else is trusted", () => {
    const form = TlsForm.of(view);
    form.pin(PEM);
    expect(form.draft()?.trust).toEqual({ kind: "certificate", pem: PEM.trim() });
    form.trust = "file";
    expect(form.draft()?.trust).toEqual({ kind: "file", path: "/etc/redis/ca.pem" });
  });

  it("keep a stored passphrase until another is typed", () => {
    const form = TlsForm.of(view);
    expect(form.draft()?.identity?.passphrase).toEqual({ kind: "keep" });
    form.passphrase.keep = false;
    expect(form.draft()?.identity?.passphrase).toEqual({ kind: "none" });
    form.passphrase.value = "secret";
    form.passphrase.thisRunOnly = true;
    const typed = { kind: "set", value: "secret", thisRunOnly: true };
    expect(form.draft()?.identity?.passphrase).toEqual(typed);
  });

  it("are filled by a URL, and what it does not name is as usual again", () => {
    const form = TlsForm.of({ ...view, insecure: true });
    form.fill({
      trust: { kind: "system" },
      serverName: "db",
      identity: null,
      oldest: "1.2",
      insecure: false,
    });
    expect(form.draft()).toMatchObject({ serverName: "db", identity: null, insecure: false });
    form.fill(null);
    expect(form.on).toBe(false);
  });

  it("verify again when one certificate is trusted", () => {
    const form = TlsForm.of({ ...view, insecure: true });
    form.pin(PEM);
    expect(form.insecure).toBe(false);
  });

  it("name each field that is missing or malformed, only while TLS is on", () => {
    const half = (tls: TlsForm): void => {
      tls.trust = "file";
      tls.serverName = "two words";
      tls.key = "k.pem";
    };
    expect(Object.keys(wrong(half)).sort()).toEqual([
      "destination.tls.identity.certificate",
      "destination.tls.identity.key",
      "destination.tls.path",
      "destination.tls.serverName",
    ]);
    const off = wrong((tls) => {
      half(tls);
      tls.on = false;
    });
    expect(off).toEqual({});
  });

  it("tell a certificate from other text and from a private key", () => {
    const said = (pem: string): string | undefined =>
      wrong((tls) => {
        tls.trust = "certificate";
        tls.pem = pem;
      })["destination.tls.pem"];
    expect(said("")).toContain("Paste a certificate");
    expect(said("rubbish")).toContain("-----BEGIN CERTIFICATE-----");
    expect(said(`${PEM}-----BEGIN PRIVATE KEY-----`)).toContain("private key");
    expect(said(PEM)).toBeUndefined();
  });

  it("go with compression, which is kept and sent with a source", () => {
    const endpoint = new EndpointForm();
    endpoint.fill({ ...endpoint.draft(), host: "relay", compression: true });
    expect(endpoint.draft().compression).toBe(true);
  });
});
