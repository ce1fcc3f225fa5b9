/**
 * What the mock's servers show in their TLS handshake: a host name with "expired" in it has a
 * certificate whose time is over, one with "own" a certificate that it signed itself. Never part of
 * the product.
 */

import type { ApiError } from "../generated/ApiError";
import type { CertificateView } from "../generated/CertificateView";
import type { CertificatesReport } from "../generated/CertificatesReport";
import type { EndpointDraft } from "../generated/EndpointDraft";
import { pause } from "./preflight";

const DAY = 86_400_000;

export async function certificatesOf(endpoint: EndpointDraft): Promise<CertificatesReport> {
  await pause(250);
  const { host, port, tls } = endpoint;
  const failed = (message: string, hint: string, chain: CertificateView[]): CertificatesReport => ({
    version: null,
    chain,
    failure: { message: `${host}:${port}: ${message}`, hint },
  });
  if (host.startsWith("down")) {
    return failed("connection refused", "See whether the server runs.", []);
  }
  const [leaf, chain] = chainOf(host);
  if (leaf.notAfter < Date.now() && !tls?.insecure) {
    return failed(
      "its certificate expired on Nov 9, 2026",
      "Renew the server's certificate. If it is valid there, set this machine's clock.",
      chain,
    );
  }
  const pinned = tls?.trust.kind === "certificate" && tls.trust.pem === leaf.pem.trim();
  if (host.includes("own") && !pinned && !tls?.insecure) {
    return failed(
      `its certificate was issued by “${leaf.issuer}”, which is not among the authorities that this machine trusts`,
      "Choose the CA file of the server's authority, or look at the certificate and trust it by itself.",
      chain,
    );
  }
  return { version: "TLS 1.3", chain, failure: null };
}

/** What a pasted text holds, as far as the mock wrote it. */
export function readPem(pem: string): Promise<CertificateView[]> {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const found = blocks.map((block) => {
    const text = block.replace(/-----[A-Z ]+-----/g, "").trim();
    return /^[A-Za-z0-9+/=\s]{40,}$/.test(text) ? held(text) : null;
  });
  const read = found.filter((certificate) => certificate !== null);
  if (read.length > 0 && read.length === found.length) return Promise.resolve(read);
  const error: ApiError = {
    code: "invalid",
    message: "The text is no certificate in PEM form.",
    hint: null,
    field: "certificate",
  };
  return Promise.reject(error);
}

/** The mock's own carry the host in their first line. */
function held(text: string): CertificateView {
  const host = /^MIIC([a-z0-9.]+)AAA/.exec(text.replaceAll("/", "."))?.[1];
  return chainOf(host ?? "pasted.example")[0];
}

function chainOf(host: string): [CertificateView, CertificateView[]] {
  const own = host.includes("own");
  const authority = "CN=Example Internal CA, O=Example";
  const subject = `CN=${host}, O=Example`;
  const now = Date.now();
  const expired = host.includes("expired");
  const leaf: CertificateView = {
    subject,
    issuer: own ? subject : authority,
    names: [host, "*.cache.internal", "10.0.3.7"],
    notBefore: now - (expired ? 379 : 90) * DAY,
    notAfter: expired ? now - 14 * DAY : now + 275 * DAY,
    fingerprint: fingerprint(host),
    authority: false,
    pem: pemOf(host),
  };
  if (own) return [leaf, [leaf]];
  return [
    leaf,
    [
      leaf,
      {
        subject: authority,
        issuer: authority,
        names: [],
        notBefore: now - 900 * DAY,
        notAfter: now + 2750 * DAY,
        fingerprint: fingerprint(authority),
        authority: true,
        pem: pemOf("authority"),
      },
    ],
  ];
}

function pemOf(host: string): string {
  const lines = [`MIIC${host.replaceAll(".", "/")}AAA`.padEnd(64, "q"), "Zk3v".repeat(12)];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function fingerprint(of: string): string {
  let state = [...of].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 65_521, 7);
  const pairs = Array.from({ length: 32 }, () => {
    state = (state * 75 + 74) % 65_537;
    return (state % 256).toString(16).padStart(2, "0").toUpperCase();
  });
  return pairs.join(":");
}
