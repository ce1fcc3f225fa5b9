/** The data of the charts on a replica page: which source, how far back, kept up to date. */

import { toApiError, type Backend } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { EventView } from "$lib/api/generated/EventView";
import type { ReplicaLive } from "$lib/api/generated/ReplicaLive";
import type { SeriesRange } from "$lib/api/generated/SeriesRange";
import { EMPTY, SPANS, append, fromSeries, type ChartData, type Sample } from "./series";

/** One sample a second is what the database keeps too. */
const SAMPLE_MS = 1000;

/** How often the coarser ranges are read again. */
const REREAD_MS: Record<Exclude<SeriesRange, "5m">, number> = { "1h": 10_000, "24h": 60_000 };

export class History {
  data: ChartData = $state.raw(EMPTY);
  range: SeriesRange = $state("5m");
  sourceId: string | null = $state(null);
  failure: ApiError | null = $state.raw(null);

  private readAt = 0;
  private reading = 0;

  constructor(
    private readonly backend: Backend,
    private readonly replicaId: string,
  ) {}

  async show(range: SeriesRange, sourceId: string | null): Promise<void> {
    this.range = range;
    this.sourceId = sourceId;
    this.data = EMPTY;
    await this.read();
  }

  async read(): Promise<void> {
    const reading = (this.reading += 1);
    try {
      const series = await this.backend.history(this.replicaId, this.sourceId, this.range);
      // A slower answer to an earlier question is not what is asked for now.
      if (reading !== this.reading) return;
      this.data = fromSeries(series);
      this.failure = null;
    } catch (thrown) {
      this.failure = toApiError(thrown);
    }
    this.readAt = Date.now();
  }

  /** Takes a batch: a point on the short range, a reason to read again on the others. */
  follow(live: ReplicaLive, at: number): void {
    if (this.range !== "5m") {
      if (this.readAt > 0 && at - this.readAt >= REREAD_MS[this.range]) {
        this.readAt = at;
        void this.read();
      }
      return;
    }
    const last = this.data.times.at(-1);
    if (this.readAt === 0 || (last !== undefined && at - last < SAMPLE_MS)) return;
    const sample = sampleOf(live, this.sourceId, at);
    if (sample) this.data = append(this.data, sample, SPANS[this.range]);
  }

  /** A new event is a mark at once, not only after the next read. */
  mark(event: EventView): void {
    if (this.sourceId !== null && event.sourceId !== this.sourceId) return;
    const known = this.data.marks.some(
      (mark) => mark.at === event.at && mark.label === event.message,
    );
    if (known || event.at < this.data.from || this.data.times.length === 0) return;
    const mark = { at: event.at, label: event.message, severity: event.severity };
    this.data = { ...this.data, marks: [...this.data.marks, mark] };
  }
}

function sampleOf(live: ReplicaLive, sourceId: string | null, at: number): Sample | null {
  if (sourceId === null) {
    const { worstLagMs, writesPerSec, bytesPerSec, wireBytesPerSec } = live;
    return { at, lagMs: worstLagMs, writesPerSec, bytesPerSec, wireBytesPerSec };
  }
  const source = live.sources.find((candidate) => candidate.id === sourceId);
  if (!source) return null;
  const { lagMs, commandsPerSec, bytesPerSec, wireBytesPerSec } = source;
  return { at, lagMs, writesPerSec: commandsPerSec, bytesPerSec, wireBytesPerSec };
}
