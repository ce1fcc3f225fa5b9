/**
 * The language figures are written in. With `LANG=C` WebKitGTK reports "C" as the language, which
 * is no language tag: Intl and uPlot throw on it at import, and the window would stay blank.
 */

/** The language the texts are in; figures follow it. */
export const FALLBACK = "en-US";

/** Whether Intl accepts the tag. */
export function isLanguageTag(tag: unknown): tag is string {
  if (typeof tag !== "string" || tag.length < 2) return false;
  try {
    Intl.getCanonicalLocales(tag);
    return true;
  } catch {
    return false;
  }
}

/** Replaces an impossible `navigator.language` by the fallback. */
export function guardLanguage(target: Navigator): void {
  if (isLanguageTag(target.language)) return;
  const fixed = { language: FALLBACK, languages: Object.freeze([FALLBACK]) };
  for (const [name, value] of Object.entries(fixed)) {
    Object.defineProperty(target, name, { configurable: true, get: () => value });
  }
}
