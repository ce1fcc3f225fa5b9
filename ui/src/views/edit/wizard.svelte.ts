/** The create and edit form as a flow: what is shown, what is wrong, what the backend said. */

import { toApiError } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { ReplicaDefinition } from "$lib/api/generated/ReplicaDefinition";
import type { Review } from "$lib/api/generated/Review";
import { CheckRun } from "$lib/domain/check.svelte";
import { DraftForm, MAX_SOURCES } from "$lib/forms/draft.svelte";
import { errors as formErrors } from "$lib/forms/strings";
import { under, validate, type FieldErrors } from "$lib/forms/validate";
import type { AppState } from "$lib/stores/app.svelte";

export const STEPS = ["destination", "sources", "options", "review"] as const;
export type Step = (typeof STEPS)[number];

export class Wizard {
  readonly form: DraftForm;
  step: Step = $state("destination");
  /** The source whose fields are open. */
  open: number | null = $state(null);
  review: Review | null = $state.raw(null);
  reviewing = $state(false);
  saving = $state(false);
  confirmName = $state("");
  readonly check: CheckRun;
  /** What the backend refused without naming a field. */
  failure: ApiError | null = $state.raw(null);

  private touched: Record<string, true> = $state({});
  private refused: FieldErrors = $state({});

  constructor(
    private readonly app: AppState,
    readonly definition: ReplicaDefinition | null,
    at: Step = "destination",
    source?: string,
  ) {
    this.step = at;
    this.check = new CheckRun((onLine) =>
      app.backend.checkDraft(this.form.draft(), definition?.id ?? null, onLine),
    );
    this.form = definition ? DraftForm.of(definition) : DraftForm.blank();
    const { sources } = this.form;
    this.open = (sources.find(({ id }) => id !== null && id === source) ?? sources[0])?.key ?? null;
    if (!app.keyring.ok) this.rememberForThisRun();
  }

  /** Everything wrong, shown or not. */
  readonly problems: FieldErrors = $derived.by(() => validate(this.form, this.otherNames()));

  /** What stands beside a field: the backend's word, or ours once the field was left. */
  error(field: string): string | null {
    return this.refused[field] ?? (this.touched[field] ? (this.problems[field] ?? null) : null);
  }

  /** Whether a source has an error that is shown. */
  marked(index: number): boolean {
    const prefix = `sources[${index}].`;
    const fields = Object.keys({ ...under(this.problems, prefix), ...under(this.refused, prefix) });
    return fields.some((field) => this.error(field) !== null);
  }

  /** The user left a field. */
  leave(field: string): void {
    this.touched[field] = true;
  }

  /** The user changes a field: what the backend said of it is out of date. */
  change(field: string): void {
    this.refused = without(this.refused, (name) => name === field);
    this.failure = null;
  }

  addSource(): void {
    if (this.form.addSource()) this.open = this.form.sources.at(-1)?.key ?? null;
    else this.refused = { ...this.refused, sources: formErrors.tooMany(MAX_SOURCES) };
    if (!this.app.keyring.ok) this.rememberForThisRun();
  }

  /** Positions shift, so what was said about sources is forgotten with it. */
  removeSource(key: number): void {
    this.form.removeSource(key);
    const ofSources = (name: string): boolean => name.startsWith("sources");
    this.touched = without(this.touched, ofSources);
    this.refused = without(this.refused, ofSources);
    if (this.open === key) this.open = this.form.sources[0]?.key ?? null;
  }

  /** Goes to a step when everything before it is in order; otherwise shows what is not. */
  async go(step: Step): Promise<void> {
    const before = STEPS.slice(0, STEPS.indexOf(step));
    for (const earlier of before) {
      if (this.refuse(earlier)) return;
    }
    this.step = step;
    if (step === "review") await this.readReview();
  }

  /** Names of the sources that saving would take away. */
  get removed(): string[] {
    const kept = new Set(this.form.sources.map((source) => source.id));
    const before = this.definition?.sources ?? [];
    return before.filter((source) => !kept.has(source.id)).map((source) => source.name);
  }

  /** Names of the sources that saving would add to those that are there. */
  get added(): string[] {
    if (!this.definition) return [];
    return this.form.sources.filter((source) => source.id === null).map((s) => s.name.trim());
  }

  get optionsChanged(): boolean {
    const before = this.definition?.options;
    const after = this.form.options.options();
    const names = Object.keys(after) as (keyof typeof after)[];
    return before !== undefined && names.some((name) => before[name] !== after[name]);
  }

  async readReview(): Promise<void> {
    this.check.close();
    this.review = null;
    this.confirmName = "";
    this.reviewing = true;
    const draft = this.form.draft();
    this.review = await this.guarded(() =>
      this.app.backend.reviewDraft(draft, this.definition?.id ?? null),
    );
    this.reviewing = false;
  }

  /** Whether the review allows a start. */
  get confirmed(): boolean {
    if (!this.review || this.review.refusal !== null) return false;
    return !this.review.needsTyping || this.confirmName.trim() === this.review.confirmName;
  }

  async save(start: boolean): Promise<void> {
    if (this.saving) return;
    this.saving = true;
    const confirmName = this.review?.needsTyping ? this.confirmName.trim() : null;
    const saved = await this.guarded(() => this.store());
    if (saved) {
      this.app.keep(saved);
      if (start) {
        await this.app.attempt(() => this.app.backend.startReplica(saved.id, confirmName));
      }
      this.app.router.go({ view: "replica", id: saved.id });
    }
    this.saving = false;
  }

  private store(): Promise<ReplicaDefinition> {
    const draft = this.form.draft();
    return this.definition
      ? this.app.backend.updateReplica(this.definition.id, draft)
      : this.app.backend.createReplica(draft);
  }

  private async guarded<T>(command: () => Promise<T>): Promise<T | null> {
    this.failure = null;
    try {
      return await command();
    } catch (thrown) {
      this.take(toApiError(thrown));
      return null;
    }
  }

  /** Puts the backend's refusal beside its field and goes there. */
  private take(error: ApiError): void {
    if (error.field === null) {
      this.failure = error;
      return;
    }
    const words = error.hint ? `${error.message} ${error.hint}` : error.message;
    this.refused = { ...this.refused, [error.field]: words };
    this.step = stepOf(error.field);
    this.openFieldSource(error.field);
  }

  /** Shows the errors of a step, if any. */
  private refuse(step: Step): boolean {
    const fields = Object.keys(this.problems).filter((field) => stepOf(field) === step);
    const [first] = fields;
    if (first === undefined) return false;
    for (const field of fields) this.touched[field] = true;
    this.step = step;
    this.openFieldSource(first);
    return true;
  }

  private openFieldSource(field: string): void {
    const index = /^sources\[(\d+)\]/.exec(field)?.[1];
    if (index !== undefined) this.open = this.form.sources[Number(index)]?.key ?? this.open;
  }

  private otherNames(): string[] {
    return this.app.definitions
      .filter((definition) => definition.id !== this.definition?.id)
      .map((definition) => definition.name);
  }

  /** Without a keyring a new secret can be kept in memory only. */
  private rememberForThisRun(): void {
    const endpoints = [this.form.destination, ...this.form.sources.map((s) => s.endpoint)];
    for (const { password, tls } of endpoints) {
      password.thisRunOnly = true;
      tls.passphrase.thisRunOnly = true;
    }
  }
}

export function stepOf(field: string): Step {
  if (field.startsWith("options")) return "options";
  return field.startsWith("sources") ? "sources" : "destination";
}

function without<T>(record: Record<string, T>, gone: (name: string) => boolean): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !gone(name)));
}
