/** What the Verify tab does. How a comparison is doing is in the live figures; here is what the user chose. */

import { toApiError } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { DifferenceKind } from "$lib/api/generated/DifferenceKind";
import type { DifferencePage } from "$lib/api/generated/DifferencePage";
import type { ExportedFile } from "$lib/api/generated/ExportedFile";
import type { ExportFormat } from "$lib/api/generated/ExportFormat";
import type { KindCounts } from "$lib/api/generated/KindCounts";
import type { VerifyLive } from "$lib/api/generated/VerifyLive";
import type { VerifyMode } from "$lib/api/generated/VerifyMode";
import { countKinds, isUnderWay, parseLimit, planOf } from "$lib/domain/verify";
import type { AppState } from "$lib/stores/app.svelte";

/** Differences shown at once. */
export const PAGE = 100;
/** Least time between two readings of a list that grows. */
const PACE_MS = 500;

type Command = "start" | "stop" | "export" | "repair";

export class VerifyActions {
  mode: VerifyMode = $state("fast");
  limit = $state("20,000");
  unlimited = $state(false);
  /** Whether the limit was left, so that it may be called wrong. */
  limitLeft = $state(false);

  busy: Command | null = $state(null);
  failure: ApiError | null = $state.raw(null);
  panel: "none" | "export" | "repair" = $state("none");

  kind: DifferenceKind | null = $state(null);
  offset = $state(0);
  page: DifferencePage | null = $state.raw(null);
  /** Places in the list, with the kind of each. */
  chosen: ReadonlyMap<number, DifferenceKind> = $state.raw(new Map());

  format: ExportFormat = $state("csv");
  path = $state("");
  exported: ExportedFile | null = $state.raw(null);

  /** The comparison that was asked for; the live figures tell of it a moment later. */
  private started = $state(0);
  /** The comparison that page and choice are of. */
  private run = 0;
  private reading: Promise<void> | null = null;
  private again = false;

  constructor(
    private readonly app: AppState,
    private readonly id: string,
  ) {}

  get live(): VerifyLive | null {
    return this.app.live.replica(this.id)?.verify ?? null;
  }

  get keysPerSecond(): number | null {
    return this.unlimited ? null : parseLimit(this.limit);
  }

  get limitWrong(): boolean {
    return !this.unlimited && parseLimit(this.limit) === null;
  }

  /** What would be repaired: what was chosen, or all of the list that is not right yet. */
  get repairs(): KindCounts {
    if (this.chosen.size > 0) return countKinds(this.chosen.values());
    return this.page?.open ?? countKinds([]);
  }

  async start(): Promise<void> {
    this.limitLeft = true;
    if (this.limitWrong) return;
    const { mode, keysPerSecond } = this;
    this.close();
    this.exported = null;
    await this.attempt("start", async () => {
      this.started = await this.app.backend.startVerify(this.id, { mode, keysPerSecond });
    });
  }

  /** Asked for, and not in the live figures yet. */
  get starting(): boolean {
    return this.busy === "start" || (this.live?.run ?? 0) < this.started;
  }

  async stop(): Promise<void> {
    await this.attempt("stop", () => this.app.backend.stopVerify(this.id));
  }

  /** A new comparison forgets what was chosen of the last. */
  follow(run: number): void {
    if (run === this.run) return;
    this.run = run;
    this.kind = null;
    this.offset = 0;
    this.page = null;
    this.chosen = new Map();
    this.panel = "none";
  }

  /** Reads the page that is shown, and once more where it was asked for meanwhile. */
  async read(): Promise<void> {
    this.again = true;
    this.reading ??= this.readOn();
    await this.reading;
  }

  private async readOn(): Promise<void> {
    while (this.again) {
      this.again = false;
      const { run, kind, offset } = this;
      try {
        const page = await this.app.backend.differences(this.id, kind, offset, PAGE);
        if (page.run === run && kind === this.kind && offset === this.offset) this.page = page;
        else this.again ||= run !== this.run || kind !== this.kind || offset !== this.offset;
      } catch (thrown) {
        this.failure = toApiError(thrown);
      }
      // While a comparison goes on the list grows with every batch.
      if (this.again && isUnderWay(this.live)) await new Promise((go) => setTimeout(go, PACE_MS));
    }
    this.reading = null;
  }

  show(kind: DifferenceKind | null, offset = 0): void {
    this.kind = kind;
    this.offset = offset;
  }

  choose(id: number, kind: DifferenceKind, chosen: boolean): void {
    const next = new Map(this.chosen);
    if (chosen) next.set(id, kind);
    else next.delete(id);
    this.chosen = next;
  }

  /** All of this page that are not right yet, or none of it. */
  choosePage(chosen: boolean): void {
    const next = new Map(this.chosen);
    for (const { id, kind, repair } of this.page?.differences ?? []) {
      if (!chosen) next.delete(id);
      else if (!repair || repair.outcome === "not_repaired") next.set(id, kind);
    }
    this.chosen = next;
  }

  askRepair(): void {
    this.failure = null;
    this.panel = "repair";
  }

  async repair(): Promise<void> {
    if (planOf(this.repairs).total === 0) return;
    const chosen = this.chosen.size > 0 ? [...this.chosen.keys()] : null;
    const done = await this.attempt("repair", () =>
      this.app.backend.repairDifferences(this.id, this.run, chosen),
    );
    if (!done) return;
    this.chosen = new Map();
    this.panel = "none";
  }

  async askExport(): Promise<void> {
    this.failure = null;
    this.exported = null;
    this.panel = "export";
    await this.name(this.format);
  }

  /** Takes the format, and a file name that goes with it. */
  async name(format: ExportFormat): Promise<void> {
    this.format = format;
    try {
      const path = await this.app.backend.exportPath(this.id, format);
      if (this.format === format) this.path = path;
    } catch (thrown) {
      this.failure = toApiError(thrown);
    }
  }

  async export(): Promise<void> {
    await this.attempt("export", async () => {
      this.exported = await this.app.backend.exportDifferences(
        this.id,
        this.format,
        this.path.trim(),
      );
      this.panel = "none";
    });
  }

  close(): void {
    this.panel = "none";
    this.failure = null;
  }

  private async attempt(what: Command, command: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = what;
    this.failure = null;
    try {
      await command();
      return true;
    } catch (thrown) {
      this.failure = toApiError(thrown);
      return false;
    } finally {
      this.busy = null;
    }
  }
}
