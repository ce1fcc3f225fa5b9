/** How a status looks: shape, word and colour together, so that none has to be told apart alone. */

import type { FailureView } from "$lib/api/generated/FailureView";
import type { Phase } from "$lib/api/generated/Phase";
import type { Retry } from "$lib/api/generated/Retry";
import type { Status } from "$lib/api/generated/Status";
import { until } from "$lib/format/time";
import { bytes, percent } from "$lib/format/units";
import { domain } from "./strings";

export type Shape = "full" | "half" | "loop" | "bars" | "square";
export type Tone = "ok" | "busy" | "warn" | "idle" | "bad";
export type Badge = { shape: Shape; tone: Tone; word: string; detail: string | null };

export type Observed = {
  status: Status;
  phase: Phase;
  progress: number | null;
  failure: FailureView | null;
  retry?: Retry | null;
  /** Bytes that were received and not applied. */
  waiting?: number;
};

export function badgeOf(observed: Observed, now: number): Badge {
  if (observed.phase === "retrying") {
    const retry = observed.retry;
    const detail = retry ? domain.attempt(retry.attempt, until(retry.nextAt, now)) : null;
    return { shape: "loop", tone: "warn", word: domain.reconnecting, detail };
  }
  if (observed.phase === "paused") {
    const kept = observed.waiting ?? 0;
    const detail = kept > 0 ? domain.waiting(bytes(kept)) : null;
    return { shape: "bars", tone: "idle", word: domain.paused, detail };
  }
  switch (observed.status) {
    case "synced":
      return plain("full", "ok", domain.synced);
    case "syncing": {
      const detail = observed.progress === null ? null : percent(observed.progress);
      return { shape: "half", tone: "busy", word: domain.syncing, detail };
    }
    case "stopped":
      return observed.failure
        ? plain("square", "bad", domain.failed)
        : plain("square", "idle", domain.stopped);
  }
}

function plain(shape: Shape, tone: Tone, word: string): Badge {
  return { shape, tone, word, detail: null };
}
