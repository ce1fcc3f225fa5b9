/**
 * How figures look. Unknown is "–" everywhere, never 0. The texts are English, so the figures are
 * too: a fixed locale keeps them like those in sentences that come from the engine.
 */

import { FALLBACK } from "./language";

export const UNKNOWN = "–";

const integers = new Intl.NumberFormat(FALLBACK, { maximumFractionDigits: 0 });

function known(value: number | null | undefined): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** 4112930 → 4,112,930 */
export function count(value: number | null | undefined): string {
  return known(value) ? integers.format(value) : UNKNOWN;
}

/** 4112930 → 4.1 M; below 100,000 exact. */
export function shortCount(value: number | null | undefined): string {
  if (!known(value)) return UNKNOWN;
  if (Math.abs(value) < 100_000) return integers.format(value);
  for (const [limit, unit] of [
    [1e6, "k"],
    [1e9, "M"],
    [1e12, "G"],
  ] as const) {
    if (Math.abs(value) < limit) return `${figure(value / (limit / 1000))} ${unit}`;
  }
  return `${integers.format(value / 1e12)} T`;
}

/** A rate a second: one decimal below 10 so that a trickle is not shown as nothing. */
export function rate(value: number | null | undefined): string {
  if (!known(value)) return UNKNOWN;
  return value > 0 && value < 10 ? value.toFixed(1) : integers.format(value);
}

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** 2412345678 → 2.4 GB; decimal units, as Redis operators' disks and networks have them. */
export function bytes(value: number | null | undefined): string {
  if (!known(value)) return UNKNOWN;
  let rest = value;
  let unit = 0;
  while (Math.abs(rest) >= 999.5 && unit < BYTE_UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? integers.format(rest) : figure(rest)} ${BYTE_UNITS[unit] ?? ""}`;
}

/** Bytes a second. */
export function byteRate(value: number | null | undefined): string {
  return known(value) ? `${bytes(value)}/s` : UNKNOWN;
}

/** "2.4 of 3.9 GB": done and total in the unit of the total, named once. */
export function bytesOf(done: number | null, total: number | null): string {
  if (!known(done)) return UNKNOWN;
  if (!known(total)) return bytes(done);
  const [, unit = "B"] = bytes(total).split(" ");
  const scale = 1000 ** Math.max(0, BYTE_UNITS.indexOf(unit as (typeof BYTE_UNITS)[number]));
  const left = scale === 1 ? integers.format(done) : figure(done / scale);
  return `${left} of ${bytes(total)}`;
}

/** 9 ms, 1.4 s, 3 min 20 s, 2 h 5 min, 3 d 4 h */
export function duration(ms: number | null | undefined): string {
  if (!known(ms) || ms < 0) return UNKNOWN;
  if (ms < 0.05) return "0 ms";
  if (ms < 9.95) return `${trimZero(ms.toFixed(1))} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  return wholeSeconds(Math.round(ms / 1000));
}

/** 4 → 4 s, 200 → 3 min 20 s */
export function wholeSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, "min", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, "h", minutes % 60, "min");
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** 61.27 → 61 %; 100 only when it is 100. */
export function percent(value: number | null | undefined): string {
  if (!known(value)) return UNKNOWN;
  return `${value >= 100 ? 100 : Math.floor(Math.max(0, value))} %`;
}

/** A share of one: 0.05 → 5.0 %; above 100 % where it is more than one. */
export function share(value: number | null | undefined): string {
  if (!known(value)) return UNKNOWN;
  const percents = Math.max(0, value) * 100;
  return `${percents < 9.95 ? percents.toFixed(1) : integers.format(percents)} %`;
}

/** 4.31 → 4.3 : 1 */
export function ratio(value: number | null | undefined): string {
  return known(value) ? `${figure(value)} : 1` : UNKNOWN;
}

/** "1 source", "3 sources" */
export function plural(value: number, one: string, many: string): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

function figure(value: number): string {
  return Math.abs(value) < 99.95 ? value.toFixed(1) : integers.format(value);
}

function trimZero(text: string): string {
  return text.endsWith(".0") ? text.slice(0, -2) : text;
}

function pair(high: number, highUnit: string, low: number, lowUnit: string): string {
  return low === 0 ? `${high} ${highUnit}` : `${high} ${highUnit} ${low} ${lowUnit}`;
}
