/** What the form for a replica holds: text as typed, so that nothing is lost on an error. */

import type { EndpointDraft } from "$lib/api/generated/EndpointDraft";
import type { EndpointView } from "$lib/api/generated/EndpointView";
import type { ExpiryChoice } from "$lib/api/generated/ExpiryChoice";
import type { PasswordDraft } from "$lib/api/generated/PasswordDraft";
import type { ReplicaDefinition } from "$lib/api/generated/ReplicaDefinition";
import type { ReplicaDraft } from "$lib/api/generated/ReplicaDraft";
import type { ReplicaOptions } from "$lib/api/generated/ReplicaOptions";

export const MAX_SOURCES = 32;
const DEFAULT_PORT = "6379";
const DEFAULT_SENTINEL_PORT = "26379";
const DEFAULT_SPOOL_MB = "4096";

export class EndpointForm {
  host = $state("");
  port = $state(DEFAULT_PORT);
  /** The name that Sentinels know the primary by; empty without Sentinels. */
  sentinel = $state("");
  tls = $state(false);
  username = $state("");
  /** Empty: all databases. */
  db = $state("");
  /** The stored password stays as it is. */
  keepPassword = $state(false);
  password = $state("");
  thisRunOnly = $state(false);

  static of(view: EndpointView): EndpointForm {
    const form = new EndpointForm();
    form.host = view.host;
    form.port = String(view.port);
    form.sentinel = view.sentinel ?? "";
    form.tls = view.tls;
    form.username = view.username ?? "";
    form.db = view.db === null ? "" : String(view.db);
    form.keepPassword = view.hasPassword;
    return form;
  }

  /** Takes what a pasted URL said. */
  fill(draft: EndpointDraft): void {
    this.host = draft.host;
    this.port = String(draft.port);
    this.sentinel = draft.sentinel ?? "";
    this.tls = draft.tls;
    this.username = draft.username ?? "";
    this.db = draft.db === null ? "" : String(draft.db);
    if (draft.password.kind !== "set") return;
    this.keepPassword = false;
    this.password = draft.password.value;
  }

  draft(): EndpointDraft {
    return {
      host: this.host.trim(),
      port: Number(this.port.trim()),
      sentinel: this.sentinel.trim() || null,
      tls: this.tls,
      username: this.username.trim() || null,
      db: this.db.trim() === "" ? null : Number(this.db.trim()),
      password: this.passwordDraft(),
    };
  }

  /** A port that nobody chose follows what is asked for: a server or its Sentinels. */
  followSentinel(): void {
    const named = this.sentinel.trim() !== "";
    if (named && this.port === DEFAULT_PORT) this.port = DEFAULT_SENTINEL_PORT;
    if (!named && this.port === DEFAULT_SENTINEL_PORT) this.port = DEFAULT_PORT;
  }

  /** host:port[/db] as far as it is known. */
  get address(): string {
    const db = this.db.trim();
    return `${this.host.trim()}:${this.port.trim()}${db === "" ? "" : `/${db}`}`;
  }

  private passwordDraft(): PasswordDraft {
    if (this.keepPassword) return { kind: "keep" };
    if (this.password === "") return { kind: "none" };
    return { kind: "set", value: this.password, thisRunOnly: this.thisRunOnly };
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

/** How a replica is run. */
export class OptionsForm {
  /** MB on disk; 0 keeps the spool in memory. */
  spoolQuotaMb = $state(DEFAULT_SPOOL_MB);
  expiry: ExpiryChoice = $state("follow_source");
  askBeforeResync = $state(false);
  lockDown = $state(false);

  static of(options: ReplicaOptions): OptionsForm {
    const form = new OptionsForm();
    form.spoolQuotaMb = String(options.spoolQuotaMb);
    form.expiry = options.expiry;
    form.askBeforeResync = options.askBeforeResync;
    form.lockDown = options.lockDown;
    return form;
  }

  draft(): ReplicaOptions {
    const { expiry, askBeforeResync, lockDown } = this;
    return { spoolQuotaMb: Number(this.spoolQuotaMb.trim()), expiry, askBeforeResync, lockDown };
  }
}

export class DraftForm {
  name = $state("");
  options = new OptionsForm();
  destination = new EndpointForm();
  sources: SourceForm[] = $state([]);

  static blank(): DraftForm {
    const form = new DraftForm();
    form.addSource();
    return form;
  }

  static of(definition: ReplicaDefinition): DraftForm {
    const form = new DraftForm();
    form.name = definition.name;
    form.options = OptionsForm.of(definition.options);
    form.destination = EndpointForm.of(definition.destination);
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
      options: this.options.draft(),
    };
  }

  private freeName(): string {
    const taken = new Set(this.sources.map((source) => source.name));
    let number = this.sources.length + 1;
    while (taken.has(`source-${number}`)) number += 1;
    return `source-${number}`;
  }
}
