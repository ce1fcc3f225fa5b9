/** What the buttons of a replica page do. */

import { toApiError } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { Review } from "$lib/api/generated/Review";
import type { AppState } from "$lib/stores/app.svelte";

export type Panel = "none" | "start" | "restart" | "delete" | "skip" | "check";
type Command = "start" | "stop" | "restart" | "delete" | "pause" | "resume" | "source" | "skip";

export class ReplicaActions {
  panel: Panel = $state("none");
  review: Review | null = $state.raw(null);
  confirmName = $state("");
  /** The command under way, so that it is not given twice. */
  busy: Command | null = $state(null);
  /** Why the last command was refused. */
  failure: ApiError | null = $state.raw(null);

  constructor(
    private readonly app: AppState,
    private readonly id: string,
  ) {}

  /** Goes on from the checkpoint; a destination that must be emptied first is asked about. */
  async start(): Promise<void> {
    await this.run("start", () => this.app.backend.startReplica(this.id, null));
    if (this.failure?.code !== "confirmation_needed") return;
    this.failure = null;
    await this.ask("start");
  }

  async stop(): Promise<void> {
    await this.run("stop", () => this.app.backend.stopReplica(this.id));
  }

  async pause(): Promise<void> {
    await this.run("pause", () => this.app.backend.pauseReplica(this.id));
  }

  async resume(): Promise<void> {
    await this.run("resume", () => this.app.backend.resumeReplica(this.id));
  }

  async stopSource(source: string): Promise<void> {
    await this.run("source", () => this.app.backend.stopSource(this.id, source));
  }

  async startSource(source: string): Promise<void> {
    await this.run("source", () => this.app.backend.startSource(this.id, source));
  }

  /** Goes on behind a command that failed. */
  async skip(): Promise<void> {
    const done = await this.run("skip", () => this.app.backend.skipFailed(this.id));
    if (done) this.close();
  }

  /** Opens a panel that needs nothing first. */
  open(panel: "delete" | "skip" | "check"): void {
    this.failure = null;
    this.panel = panel;
  }

  /** Opens the panel that says what a start from the beginning deletes. */
  async ask(panel: "start" | "restart"): Promise<void> {
    this.panel = panel;
    this.review = null;
    this.confirmName = "";
    this.failure = null;
    try {
      this.review = await this.app.backend.review(this.id);
    } catch (thrown) {
      this.failure = toApiError(thrown);
    }
  }

  get confirmed(): boolean {
    if (!this.review || this.review.refusal !== null) return false;
    return !this.review.needsTyping || this.confirmName.trim() === this.review.confirmName;
  }

  async confirm(): Promise<void> {
    if (!this.confirmed || (this.panel !== "start" && this.panel !== "restart")) return;
    const name = this.review?.needsTyping ? this.confirmName.trim() : null;
    const { backend } = this.app;
    const done =
      this.panel === "restart"
        ? await this.run("restart", () => backend.restartReplica(this.id, name))
        : await this.run("start", () => backend.startReplica(this.id, name));
    if (done) this.close();
  }

  async delete(): Promise<void> {
    let left: string | null = null;
    const done = await this.run("delete", async () => {
      left = await this.app.backend.deleteReplica(this.id);
    });
    if (!done) return;
    this.app.forget(this.id);
    this.app.notice = left;
  }

  close(): void {
    this.panel = "none";
    this.review = null;
    this.confirmName = "";
  }

  private async run(what: Command, command: () => Promise<void>): Promise<boolean> {
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
