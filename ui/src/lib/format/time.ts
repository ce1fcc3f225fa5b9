/** Times are local; the absolute form carries the zone. */

import { FALLBACK } from "./language";
import { UNKNOWN, wholeSeconds } from "./units";

const clockFormat = new Intl.DateTimeFormat(FALLBACK, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

const dayFormat = new Intl.DateTimeFormat(FALLBACK, { day: "numeric", month: "short" });

const dateFormat = new Intl.DateTimeFormat(FALLBACK, {
  year: "numeric",
  month: "short",
  day: "numeric",
});

const fullFormat = new Intl.DateTimeFormat(FALLBACK, {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

/** 14:03:22 */
export function clock(at: number | null | undefined): string {
  return at === null || at === undefined ? UNKNOWN : clockFormat.format(at);
}

/** 14:03:22 today, "Nov 21 14:03:22" on another day. */
export function when(at: number | null | undefined, now: number): string {
  if (at === null || at === undefined) return UNKNOWN;
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return sameDay ? clock(at) : `${dayFormat.format(at)} ${clock(at)}`;
}

/** Nov 21, 2026 */
export function date(at: number): string {
  return dateFormat.format(at);
}

/** With date and zone, for hovering. */
export function absolute(at: number | null | undefined): string {
  return at === null || at === undefined ? "" : fullFormat.format(at);
}

/** "in 4 s"; when it is due, "now". */
export function until(at: number, now: number): string {
  const left = at - now;
  return left < 1000 ? "now" : `in ${wholeSeconds(Math.ceil(left / 1000))}`;
}
