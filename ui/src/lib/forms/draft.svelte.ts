/** What the form for a replica holds: text as typed, so that nothing is lost on an error. */

import type { EndpointDraft } from "$lib/api/generated/EndpointDraft";
import type { EndpointView } from "$lib/api/generated/EndpointView";
import type { ReplicaDefinition } from "$lib/api/generated/ReplicaDefinition";
import type { ReplicaDraft } from "$lib/api/generated/ReplicaDraft";
import { OptionsForm } from "./options.svelte";
import { SecretForm } from "./secret.svelte";
import { TlsForm } from "./tls.svelte";

export const MAX_SOURCES = 32;
const DEFAULT_PORT = "6379";
const SENTINEL_PORT = "26379";

export class EndpointForm {
  host = $state("");
  port = $state(DEFAULT_PORT);
  /** Whether the host is a list of Sentinels that are asked where the server is. */
  throughSentinels = $state(false);
  /** The name under which they know it. */
  sentinel = $state("");
  /** Whether a relay at this address compresses the link; for sources only. */
  compression = $state(false);
  username = $state("");
  /** Empty: all databases. */
  db = $state("");

  constructor(
    readonly password = new SecretForm(),
    readonly tls = new TlsForm(),
  ) {}

  static of(view: EndpointView): EndpointForm {
    const form = new EndpointForm(new SecretForm(view.hasPassword), TlsForm.of(view.tls));
    form.host = view.host;
    form.port = String(view.port);
    form.throughSentinels = view.sentinel !== null;
    form.sentinel = view.sentinel ?? "";
    form.compression = view.compression;
    form.username = view.username ?? "";
    form.db = view.db === null ? "" : String(view.db);
    return form;
  }

  /** Takes what a pasted URL said. */
  fill(draft: EndpointDraft): void {
    this.host = draft.host;
    this.port = String(draft.port);
    this.throughSentinels = draft.sentinel !== null;
    this.sentinel = draft.sentinel ?? "";
    this.tls.fill(draft.tls);
    this.compression = draft.compression;
    this.username = draft.username ?? "";
    this.db = draft.db === null ? "" : String(draft.db);
    this.password.fill(draft.password);
  }

  /** Sentinels listen elsewhere; a port that was typed stays. */
  askSentinels(ask: boolean): void {
    this.throughSentinels = ask;
    const [before, after] = ask ? [DEFAULT_PORT, SENTINEL_PORT] : [SENTINEL_PORT, DEFAULT_PORT];
    if (this.port.trim() === before) this.port = after;
  }

  draft(): EndpointDraft {
    return {
      host: this.host.trim(),
      port: Number(this.port.trim()),
      sentinel: this.throughSentinels ? this.sentinel.trim() || null : null,
      tls: this.tls.draft(),
      compression: this.compression,
      username: this.username.trim() || null,
      db: this.db.trim() === "" ? null : Number(this.db.trim()),
      password: this.password.draft(),
    };
  }

  /** host:port[/db] or name@sentinels[/db], as far as it is known. */
  get address(): string {
    const db = this.db.trim() === "" ? "" : `/${this.db.trim()}`;
    if (this.throughSentinels) return `${this.sentinel.trim()}@${this.host.trim()}${db}`;
    return `${this.host.trim()}:${this.port.trim()}${db}`;
  }
}

let nextKey = 0;

export class SourceForm {
  /** Identifies it in the list while it has no ID. */
  readonly key = (nextKey += 1);
  name = $state("");
  endpoint: EndpointForm;

  constructor(
    readonly id: string | null,
    endpoint = new EndpointForm(),
  ) {
    this.endpoint = endpoint;
  }
}

export class DraftForm {
  name = $state("");
  destination = new EndpointForm();
  sources: SourceForm[] = $state([]);
  options = new OptionsForm();

  static blank(): DraftForm {
    const form = new DraftForm();
    form.addSource();
    return form;
  }

  static of(definition: ReplicaDefinition): DraftForm {
    const form = new DraftForm();
    form.name = definition.name;
    form.destination = EndpointForm.of(definition.destination);
    form.options = OptionsForm.of(definition.options);
    form.sources = definition.sources.map((source) => {
      const kept = new SourceForm(source.id, EndpointForm.of(source.endpoint));
      kept.name = source.name;
      return kept;
    });
    return form;
  }

  /** False when there are as many as a replica can have. */
  addSource(): boolean {
    if (this.sources.length >= MAX_SOURCES) return false;
    const added = new SourceForm(null);
    added.name = this.freeName();
    this.sources.push(added);
    return true;
  }

  removeSource(key: number): void {
    this.sources = this.sources.filter((source) => source.key !== key);
  }

  draft(): ReplicaDraft {
    return {
      name: this.name.trim(),
      destination: this.destination.draft(),
      sources: this.sources.map((source) => ({
        id: source.id,
        name: source.name.trim(),
        endpoint: source.endpoint.draft(),
      })),
      options: this.options.options(),
    };
  }

  private freeName(): string {
    const taken = new Set(this.sources.map((source) => source.name));
    let number = this.sources.length + 1;
    while (taken.has(`source-${number}`)) number += 1;
    return `source-${number}`;
  }
}
