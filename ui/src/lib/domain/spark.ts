/** The path of a sparkline; a missing sample is a gap. */
export function sparkPath(
  samples: readonly (number | null)[],
  width: number,
  height: number,
): string {
  const top = Math.max(1, ...samples.map((sample) => sample ?? 0));
  const step = samples.length > 1 ? width / (samples.length - 1) : 0;
  let path = "";
  let drawing = false;
  samples.forEach((sample, index) => {
    if (sample === null) {
      drawing = false;
      return;
    }
    const y = height - 1 - (sample / top) * (height - 2);
    path += `${drawing ? "L" : "M"}${(index * step).toFixed(1)} ${y.toFixed(1)}`;
    drawing = true;
  });
  return path;
}
