/** A check under way: lines arrive one by one, and a second run forgets the first. */

import { toApiError } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { ReplicaCheckLine } from "$lib/api/generated/ReplicaCheckLine";
import { groupLines, tally } from "./check";

export class CheckRun {
  lines: ReplicaCheckLine[] = $state.raw([]);
  running = $state(false);
  /** Whether it has been asked for at all. */
  begun = $state(false);
  /** Why nothing could be checked. */
  failure: ApiError | null = $state.raw(null);

  readonly groups = $derived(groupLines(this.lines));
  readonly tally = $derived(tally(this.lines));

  private turn = 0;

  constructor(
    private readonly check: (onLine: (line: ReplicaCheckLine) => void) => Promise<void>,
  ) {}

  async run(): Promise<void> {
    const turn = (this.turn += 1);
    this.lines = [];
    this.failure = null;
    this.begun = true;
    this.running = true;
    try {
      await this.check((line) => {
        // A line of an earlier run may still be on its way.
        if (turn === this.turn) this.lines = [...this.lines, line];
      });
    } catch (thrown) {
      if (turn === this.turn) this.failure = toApiError(thrown);
    }
    if (turn === this.turn) this.running = false;
  }

  /** Forgets what was found; what is still on its way goes nowhere. */
  close(): void {
    this.turn += 1;
    this.lines = [];
    this.failure = null;
    this.begun = false;
    this.running = false;
  }
}
