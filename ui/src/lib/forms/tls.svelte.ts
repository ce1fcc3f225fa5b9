/** How an endpoint is entered by TLS, as the form holds it: what is switched off is not forgotten. */

import type { IdentityDraft } from "$lib/api/generated/IdentityDraft";
import type { TlsDraft } from "$lib/api/generated/TlsDraft";
import type { TlsOldest } from "$lib/api/generated/TlsOldest";
import type { TlsView } from "$lib/api/generated/TlsView";
import type { TrustChoice } from "$lib/api/generated/TrustChoice";
import { SecretForm } from "./secret.svelte";

export type TrustKind = TrustChoice["kind"];

/** Fields of the backend's errors, after the endpoint's prefix. */
export const TLS_FIELDS = [
  "tls.path",
  "tls.pem",
  "tls.serverName",
  "tls.identity.certificate",
  "tls.identity.key",
  "tls.identity.passphrase",
] as const;

export class TlsForm {
  on = $state(false);
  trust: TrustKind = $state("system");
  /** The file of the authorities. */
  path = $state("");
  /** The pasted certificate. */
  pem = $state("");
  serverName = $state("");
  /** Our certificate and its key, both or none. */
  certificate = $state("");
  key = $state("");
  oldest: TlsOldest = $state("1.2");
  insecure = $state(false);

  constructor(readonly passphrase = new SecretForm()) {}

  static of(view: TlsView | null): TlsForm {
    const form = new TlsForm(new SecretForm(view?.identity?.hasPassphrase ?? false));
    form.take(view);
    return form;
  }

  /** Takes what a pasted URL said. */
  fill(draft: TlsDraft | null): void {
    this.take(draft);
    if (draft?.identity) this.passphrase.fill(draft.identity.passphrase);
  }

  /** Just this certificate, and it is verified. */
  pin(pem: string): void {
    this.trust = "certificate";
    this.pem = pem;
    this.insecure = false;
  }

  /** Whether everything is as it is without being asked for. */
  get plain(): boolean {
    const typed = [this.serverName, this.certificate, this.key].some((text) => text.trim() !== "");
    return this.trust === "system" && !typed && this.oldest === "1.2" && !this.insecure;
  }

  draft(): TlsDraft | null {
    if (!this.on) return null;
    return {
      trust: this.choice(),
      serverName: this.serverName.trim() || null,
      identity: this.identity(),
      oldest: this.oldest,
      insecure: this.insecure,
    };
  }

  private choice(): TrustChoice {
    switch (this.trust) {
      case "system":
        return { kind: "system" };
      case "file":
        return { kind: "file", path: this.path.trim() };
      case "certificate":
        return { kind: "certificate", pem: this.pem.trim() };
    }
  }

  private identity(): IdentityDraft | null {
    const [certificate, key] = [this.certificate.trim(), this.key.trim()];
    if (certificate === "" && key === "") return null;
    return { certificate, key, passphrase: this.passphrase.draft() };
  }

  private take(from: TlsDraft | TlsView | null): void {
    this.on = from !== null;
    if (!from) return;
    this.trust = from.trust.kind;
    if (from.trust.kind === "file") this.path = from.trust.path;
    if (from.trust.kind === "certificate") this.pem = from.trust.pem;
    this.serverName = from.serverName ?? "";
    this.certificate = from.identity?.certificate ?? "";
    this.key = from.identity?.key ?? "";
    this.oldest = from.oldest;
    this.insecure = from.insecure;
  }
}
