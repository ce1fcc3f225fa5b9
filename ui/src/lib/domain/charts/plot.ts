/** uPlot, set up once for every chart of the window. */

import uPlot from "uplot";
import type { SeriesMark } from "$lib/api/generated/SeriesMark";
import { FALLBACK } from "$lib/format/language";
import type { Value } from "./series";

export type Line = {
  label: string;
  /** A CSS custom property. */
  color: string;
  values: Value[];
  format: (value: number | null) => string;
  /** What the scale shows at least, so that noise around 0 does not look like a mountain. */
  least: number;
  fill?: boolean;
};

export type PlotOptions = {
  width: number;
  height: number;
  lines: Line[];
  log: boolean;
  marks: () => readonly SeriesMark[];
  /** The span shown, in seconds, also where nothing was measured. */
  span: () => [number, number];
  onCursor: (index: number | null) => void;
};

const SYNC = "tributary";
const FONT = '11px system-ui, "DejaVu Sans", sans-serif';
/** Lags below this are drawn as this on a logarithmic scale, which has no zero. */
export const LOG_FLOOR = 0.1;
const SEVERITY_COLOR = { info: "--line-strong", warning: "--warn", error: "--bad" } as const;

/** Seconds between ticks: whole minutes, so that a label is an hour and a minute. */
const TIME_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200];

const hourMinute = new Intl.DateTimeFormat(FALLBACK, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

/** The colour a custom property stands for now; canvas does not know `light-dark()`. */
export function color(host: HTMLElement, property: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${property})`;
  host.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export function makePlot(host: HTMLElement, options: PlotOptions): uPlot {
  const muted = color(host, "--muted");
  const grid = { stroke: color(host, "--line"), width: 1 };
  // The lines of a chart share their unit, and so their axis.
  const format = options.lines[0]?.format ?? String;
  const logarithmic = options.log ? { filter: decades } : {};
  return new uPlot(
    {
      width: options.width,
      height: options.height,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: SYNC, setSeries: false },
        drag: { x: false, y: false },
        points: { size: 6 },
      },
      scales: {
        x: { time: true, range: () => options.span() },
        y: scale(options),
      },
      axes: [
        {
          stroke: muted,
          font: FONT,
          size: 26,
          gap: 4,
          grid: { show: false },
          ticks: { ...grid, size: 4 },
          space: 44,
          incrs: TIME_STEPS,
          values: (_, splits) => splits.map((split) => hourMinute.format(split * 1000)),
        },
        {
          stroke: muted,
          font: FONT,
          size: 64,
          gap: 6,
          grid: { ...grid, ...logarithmic },
          ticks: { show: false },
          values: (_, splits) =>
            splits.map((split) => (split === null ? "" : format(split))) as string[],
          ...logarithmic,
        },
      ],
      series: [
        {},
        ...options.lines.map((line) => ({
          label: line.label,
          scale: "y",
          stroke: color(host, line.color),
          width: 1.5,
          spanGaps: false,
          points: { show: false },
          ...(line.fill ? { fill: withAlpha(color(host, line.color)) } : {}),
        })),
      ],
      hooks: {
        draw: [
          (plot) => {
            drawMarks(plot, host, options.marks());
          },
        ],
        setCursor: [
          (plot) => {
            options.onCursor(plot.cursor.idx ?? null);
          },
        ],
      },
    },
    aligned([], options.lines, options.log),
    host,
  );
}

/** The data as uPlot takes it. */
export function aligned(times: readonly number[], lines: Line[], log: boolean): uPlot.AlignedData {
  const floor = (value: Value): Value => (value === null ? null : Math.max(LOG_FLOOR, value));
  return [
    times.map((time) => time / 1000),
    ...lines.map((line) => (log ? line.values.map(floor) : line.values)),
  ];
}

/** Air above the highest point. */
const HEADROOM = 1.15;

function scale({ log, lines }: PlotOptions): uPlot.Scale {
  if (log) {
    return {
      distr: 3,
      range: (_, __, max) => [
        LOG_FLOOR,
        10 ** Math.ceil(Math.log10(Math.max(10, max ?? 0) * 1.01)),
      ],
    };
  }
  const least = Math.max(...lines.map((line) => line.least));
  // Always from zero, with air above: a flat line at 2 ms must not look like a cliff.
  return { range: (_, __, max) => [0, Math.max(least, max ?? 0) * HEADROOM] };
}

/** On the logarithmic axis only 0.1, 1, 10, 100 … carry a label. */
function decades(_: uPlot, splits: number[]): (number | null)[] {
  return splits.map((split) => (Math.abs(Math.log10(split) % 1) < 1e-6 ? split : null));
}

function withAlpha(rgb: string): string {
  return rgb.replace(/^rgba?\(([^)]*)\)$/, (_, parts: string) => {
    const [r, g, b] = parts.split(",").map((part) => part.trim());
    return `rgba(${r}, ${g}, ${b}, 0.1)`;
  });
}

function drawMarks(plot: uPlot, host: HTMLElement, marks: readonly SeriesMark[]): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  for (const mark of marks) {
    const x = Math.round(plot.valToPos(mark.at / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = color(host, SEVERITY_COLOR[mark.severity]);
    ctx.lineWidth = ratio;
    ctx.setLineDash([3 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 4 * ratio, bbox.top);
    ctx.lineTo(x + 4 * ratio, bbox.top);
    ctx.lineTo(x, bbox.top + 6 * ratio);
    ctx.fill();
  }
  ctx.restore();
}
