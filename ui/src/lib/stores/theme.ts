/** Light, dark, or as the desktop has it. The stylesheet does the rest through `color-scheme`. */

import type { Theme } from "$lib/api/generated/Theme";

export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  document.dispatchEvent(new Event(THEME_CHANGED));
}

/** Raised on the document when charts have to take new colours. */
export const THEME_CHANGED = "tributary:theme";

/** Calls back whenever the colours in force change, by setting or by the desktop. */
export function onThemeChange(changed: () => void): () => void {
  const media = matchMedia("(prefers-color-scheme: dark)");
  document.addEventListener(THEME_CHANGED, changed);
  media.addEventListener("change", changed);
  return () => {
    document.removeEventListener(THEME_CHANGED, changed);
    media.removeEventListener("change", changed);
  };
}
