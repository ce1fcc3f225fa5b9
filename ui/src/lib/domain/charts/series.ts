/** What a chart draws: history from the database, continued by what the engine reports. */

import type { Series } from "$lib/api/generated/Series";
import type { SeriesMark } from "$lib/api/generated/SeriesMark";
import type { SeriesRange } from "$lib/api/generated/SeriesRange";

export type Value = number | null;

export type ChartData = {
  /** Unix milliseconds, rising. */
  times: number[];
  lagMs: Value[];
  writesPerSec: Value[];
  bytesPerSec: Value[];
  wireBytesPerSec: Value[];
  marks: SeriesMark[];
  from: number;
  to: number;
};

export type Sample = {
  at: number;
  lagMs: Value;
  writesPerSec: Value;
  bytesPerSec: Value;
  wireBytesPerSec: Value;
};

export const SPANS: Record<SeriesRange, number> = {
  "5m": 300_000,
  "1h": 3_600_000,
  "24h": 86_400_000,
};

export const EMPTY: ChartData = {
  times: [],
  lagMs: [],
  writesPerSec: [],
  bytesPerSec: [],
  wireBytesPerSec: [],
  marks: [],
  from: 0,
  to: 0,
};

export function fromSeries(series: Series): ChartData {
  return {
    times: series.times,
    lagMs: series.lagMs,
    writesPerSec: series.writesPerSec,
    bytesPerSec: series.bytesPerSec,
    wireBytesPerSec: series.wireBytesPerSec,
    marks: series.marks,
    from: series.from,
    to: series.to,
  };
}

/** A silence longer than this is a gap in the line. */
const GAP_MS = 3_500;

/** Adds a sample at the end and drops what has left the span. */
export function append(data: ChartData, sample: Sample, span: number): ChartData {
  const last = data.times.at(-1);
  if (last !== undefined && sample.at <= last) return data;
  const from = sample.at - span;
  const first = data.times.findIndex((time) => time >= from);
  const start = first < 0 ? data.times.length : first;
  const gap = last !== undefined && sample.at - last > GAP_MS;
  const grow = (values: Value[], value: Value): Value[] => [
    ...values.slice(start),
    ...(gap ? [null] : []),
    value,
  ];
  return {
    times: [...data.times.slice(start), ...(gap ? [sample.at - 1] : []), sample.at],
    lagMs: grow(data.lagMs, sample.lagMs),
    writesPerSec: grow(data.writesPerSec, sample.writesPerSec),
    bytesPerSec: grow(data.bytesPerSec, sample.bytesPerSec),
    wireBytesPerSec: grow(data.wireBytesPerSec, sample.wireBytesPerSec),
    marks: data.marks.filter((mark) => mark.at >= from),
    from,
    to: sample.at,
  };
}

/** The event nearest to a moment, if it is near enough to be meant. */
export function markNear(data: ChartData, at: number): SeriesMark | null {
  const reach = (data.to - data.from) / 60;
  let best: SeriesMark | null = null;
  for (const mark of data.marks) {
    const distance = Math.abs(mark.at - at);
    if (distance <= reach && (best === null || distance < Math.abs(best.at - at))) best = mark;
  }
  return best;
}

/** The greatest known value. */
export function highest(values: readonly Value[]): Value {
  let top: Value = null;
  for (const value of values) if (value !== null && (top === null || value > top)) top = value;
  return top;
}

/** At most `rows` evenly spread positions, the last one included. */
export function spread(length: number, rows: number): number[] {
  const step = Math.max(1, Math.ceil(length / rows));
  const positions: number[] = [];
  for (let at = length - 1; at >= 0; at -= step) positions.push(at);
  return positions;
}
