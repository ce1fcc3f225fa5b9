/** Definitions as a file: written to one, taken in from one. */

import { toApiError } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { ImportReport } from "$lib/api/generated/ImportReport";
import type { AppState } from "$lib/stores/app.svelte";

export class Transfer {
  /** What is under way. */
  busy: "export" | "import" | null = $state(null);
  /** Where the definitions were written to. */
  exported: string | null = $state(null);
  report: ImportReport | null = $state.raw(null);
  failure: ApiError | null = $state.raw(null);
  /** The file whose replicas are there already, until the user has decided. */
  refused: string | null = $state(null);

  constructor(private readonly app: AppState) {}

  async export(): Promise<void> {
    const path = await this.run("export", () => this.app.backend.exportDefinitions());
    this.exported = path ?? null;
  }

  async import(): Promise<void> {
    const path = await this.run("import", () => this.app.backend.chooseFile());
    if (path !== null && path !== undefined) await this.take(path, false);
  }

  async replace(): Promise<void> {
    if (this.refused !== null) await this.take(this.refused, true);
  }

  /** The user leaves those as they are. */
  leave(): void {
    this.refused = null;
    this.failure = null;
  }

  private async take(path: string, replace: boolean): Promise<void> {
    const report = await this.run("import", async () => {
      const done = await this.app.backend.importDefinitions(path, replace);
      this.app.definitions = (await this.app.backend.startup()).definitions;
      return done;
    });
    this.report = report ?? null;
    this.refused = this.failure?.code === "already_there" ? path : null;
  }

  private async run<T>(
    what: "export" | "import",
    command: () => Promise<T>,
  ): Promise<T | undefined> {
    this.busy = what;
    this.exported = this.report = this.failure = this.refused = null;
    try {
      return await command();
    } catch (thrown) {
      this.failure = toApiError(thrown);
      return undefined;
    } finally {
      this.busy = null;
    }
  }
}
