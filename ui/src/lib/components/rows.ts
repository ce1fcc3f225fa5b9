/** Arrow keys, Home and End move the focus among the `[data-row]` elements of a list. */

import type { Attachment } from "svelte/attachments";

const STEPS: Record<string, (at: number, last: number) => number> = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, last) => last,
};

export const rows: Attachment<HTMLElement> = (list) => {
  function move(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (!step) return;
    const all = [...list.querySelectorAll<HTMLElement>("[data-row]")];
    const at = all.findIndex((row) => row === document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    all[step(at, all.length - 1)]?.focus();
  }
  list.addEventListener("keydown", move);
  return () => {
    list.removeEventListener("keydown", move);
  };
};
