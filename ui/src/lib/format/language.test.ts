import { describe, expect, it } from "vitest";
import { guardLanguage, isLanguageTag } from "./language";

function navigatorOf(language: string): Navigator {
  return { language, languages: [language] } as unknown as Navigator;
}

describe("the language guard", () => {
  it("replaces the C of LANG=C, on which Intl throws", () => {
    const navigator = navigatorOf("C");
    guardLanguage(navigator);
    expect(navigator.language).toBe("en-US");
    expect(navigator.languages).toEqual(["en-US"]);
    expect(() => new Intl.NumberFormat(navigator.language)).not.toThrow();
  });

  it("leaves a real language alone", () => {
    const navigator = navigatorOf("de-CH");
    guardLanguage(navigator);
    expect(navigator.language).toBe("de-CH");
  });

  it("knows what is no tag", () => {
    expect(isLanguageTag("")).toBe(false);
    expect(isLanguageTag(undefined)).toBe(false);
    expect(isLanguageTag("en_US.UTF-8")).toBe(false);
    expect(isLanguageTag("fr")).toBe(true);
  });
});
