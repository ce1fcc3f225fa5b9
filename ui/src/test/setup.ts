/** What jsdom lacks and the components need. */

import "@testing-library/jest-dom/vitest";
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

Object.assign(globalThis, {
  ResizeObserver: NoObserver,
  IntersectionObserver: NoObserver,
  matchMedia: () => new EventTarget(),
});
Element.prototype.scrollIntoView = () => undefined;
Element.prototype.scrollTo = () => undefined;
// Node 20 and jsdom do not have it yet; only the development mock needs it.
URL.parse ??= (url: string | URL) => (URL.canParse(url) ? new URL(url) : null);
