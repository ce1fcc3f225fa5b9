/** What jsdom lacks and the components need. */

import "@testing-library/svelte/vitest";

class NoObserver {
  observe(): void {
    // Nothing is ever laid out in jsdom.
  }
  unobserve(): void {
    // As above.
  }
  disconnect(): void {
    // As above.
  }
}

Object.assign(globalThis, { ResizeObserver: NoObserver, IntersectionObserver: NoObserver });
