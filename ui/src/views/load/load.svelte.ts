/** Loading a file as a flow: what is shown, what is wrong, what the backend said. */

import { toApiError } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { ExistingKeys } from "$lib/api/generated/ExistingKeys";
import type { FileFacts } from "$lib/api/generated/FileFacts";
import type { FileLoadReview } from "$lib/api/generated/FileLoadReview";
import { FileLoadForm, validateFileLoad } from "$lib/forms/fileLoad.svelte";
import type { FieldErrors, FieldWatch } from "$lib/forms/validate";
import type { AppState } from "$lib/stores/app.svelte";

export class LoadFlow implements FieldWatch {
  readonly form = new FileLoadForm();
  /** What the file says of itself, once it was looked at. */
  file: FileFacts | null = $state.raw(null);
  review: FileLoadReview | null = $state.raw(null);
  reviewing = $state(false);
  starting = $state(false);
  confirm = $state("");
  /** What the backend refused without naming a field. */
  failure: ApiError | null = $state.raw(null);

  private touched: Record<string, true> = $state({});
  private refused: FieldErrors = $state({});
  /** Counts up with every change, so that an answer to an earlier form is not shown. */
  private version = 0;

  constructor(private readonly app: AppState) {}

  /** Everything wrong, shown or not. */
  readonly problems: FieldErrors = $derived.by(() => validateFileLoad(this.form));

  error(field: string): string | null {
    return this.refused[field] ?? (this.touched[field] ? (this.problems[field] ?? null) : null);
  }

  leave(field: string): void {
    this.touched[field] = true;
  }

  /** What was found out is about another form now. */
  change(field: string): void {
    this.refused = Object.fromEntries(
      Object.entries(this.refused).filter(([name]) => name !== field),
    );
    this.failure = null;
    this.review = null;
    this.confirm = "";
    this.version += 1;
    if (field === "path") {
      this.file = null;
      this.form.dumpOnly = false;
    }
  }

  choose(existing: ExistingKeys): void {
    this.form.existing = existing;
    this.confirm = "";
    this.failure = null;
  }

  /** The desktop's own dialog. */
  async chooseFile(): Promise<void> {
    const path = await this.app.attempt(() => this.app.backend.chooseFile());
    if (path === null) return;
    this.form.path = path;
    this.change("path");
    await this.inspect();
  }

  /** Reads the file's beginning. */
  async inspect(): Promise<void> {
    this.leave("path");
    if (this.problems["path"] !== undefined || this.file !== null) return;
    const asked = this.version;
    const file = await this.guarded(() => this.app.backend.inspectFile(this.form.path.trim()));
    if (asked === this.version && file) this.file = file;
  }

  /** Looks at the file and the destination; false when something is wrong with the form. */
  async look(): Promise<boolean> {
    const wrong = Object.keys(this.problems);
    for (const field of wrong) this.touched[field] = true;
    if (wrong.length > 0) return false;
    this.review = null;
    this.confirm = "";
    this.reviewing = true;
    const asked = this.version;
    const draft = this.form.draft();
    const review = await this.guarded(() => this.app.backend.reviewFileLoad(draft));
    if (asked === this.version && review) {
      this.review = review;
      this.file = review.file;
    }
    this.reviewing = false;
    return true;
  }

  /** What stands there that a load would have to do something about. */
  get deletes(): boolean {
    const { review } = this;
    return this.form.existing === "flush" && review !== null && review.keys + review.functions > 0;
  }

  /** Why the load cannot be started as it is chosen. */
  get obstacle(): "refusal" | "notEmpty" | "appendOnly" | null {
    const { review, form } = this;
    if (!review) return null;
    if (review.refusal) return "refusal";
    if (review.file.beginsAof && !form.dumpOnly) return "appendOnly";
    return form.existing === "refuse" && review.keys > 0 ? "notEmpty" : null;
  }

  /** Whether the load may be started. */
  get confirmed(): boolean {
    const { review } = this;
    if (!review || this.obstacle !== null) return false;
    return !this.deletes || this.confirm.trim() === review.destination;
  }

  async start(): Promise<void> {
    if (!this.confirmed || this.starting) return;
    this.starting = true;
    const confirm = this.deletes ? this.confirm.trim() : null;
    const draft = this.form.draft();
    await this.guarded(() => this.app.backend.startFileLoad(draft, confirm));
    this.starting = false;
  }

  private async guarded<T>(command: () => Promise<T>): Promise<T | null> {
    this.failure = null;
    try {
      return await command();
    } catch (thrown) {
      const error = toApiError(thrown);
      if (error.field === null) this.failure = error;
      else {
        const words = error.hint ? `${error.message} ${error.hint}` : error.message;
        this.refused = { ...this.refused, [error.field]: words };
      }
      return null;
    }
  }
}
