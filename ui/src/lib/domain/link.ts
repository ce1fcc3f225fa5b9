/** What a URL says beside its marks. */

/** The URL without its parameters: marks and the form say those. */
export function withoutOptions(url: string): string {
  return url.replace(/\?.*$/, "");
}

/** Where it is: marks say the scheme too. */
export function addressOf(url: string): string {
  return withoutOptions(url).replace(/^rediss?:\/\//, "");
}
