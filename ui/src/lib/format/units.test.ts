import { describe, expect, it } from "vitest";
import {
  byteRate,
  bytes,
  bytesOf,
  count,
  duration,
  percent,
  plural,
  rate,
  ratio,
  share,
  shortCount,
} from "./units";

describe("figures", () => {
  it("show the unknown as a dash, never as 0", () => {
    for (const format of [
      count,
      shortCount,
      rate,
      bytes,
      byteRate,
      duration,
      percent,
      share,
      ratio,
    ]) {
      expect(format(null)).toBe("–");
      expect(format(undefined)).toBe("–");
      expect(format(Number.NaN)).toBe("–");
    }
    expect(bytesOf(null, 10)).toBe("–");
  });

  it("show a known 0 as 0", () => {
    expect(count(0)).toBe("0");
    expect(rate(0)).toBe("0");
    expect(bytes(0)).toBe("0 B");
    expect(duration(0)).toBe("0 ms");
    expect(percent(0)).toBe("0 %");
  });

  it("group thousands and shorten only large counts", () => {
    expect(count(4_112_930)).toBe("4,112,930");
    expect(shortCount(18_204)).toBe("18,204");
    expect(shortCount(4_112_930)).toBe("4.1 M");
    expect(shortCount(250_000)).toBe("250 k");
  });

  it("keep a trickle visible in a rate", () => {
    expect(rate(0.4)).toBe("0.4");
    expect(rate(18_204.4)).toBe("18,204");
  });

  it("give durations in the two units that matter", () => {
    expect(duration(0.4)).toBe("0.4 ms");
    expect(duration(9)).toBe("9 ms");
    expect(duration(12.4)).toBe("12 ms");
    expect(duration(1400)).toBe("1.4 s");
    expect(duration(48_000)).toBe("48 s");
    expect(duration(200_000)).toBe("3 min 20 s");
    expect(duration(7_500_000)).toBe("2 h 5 min");
    expect(duration(273_600_000)).toBe("3 d 4 h");
  });

  it("never round a duration up into a unit it does not have", () => {
    expect(duration(999.6)).toBe("1.0 s");
    expect(duration(59_700)).toBe("1 min");
  });

  it("give bytes in decimal units", () => {
    expect(bytes(999)).toBe("999 B");
    expect(bytes(2_412_345_678)).toBe("2.4 GB");
    expect(bytes(999_999)).toBe("1.0 MB");
    expect(byteRate(2_100_000)).toBe("2.1 MB/s");
  });

  it("name the unit of done and total once", () => {
    expect(bytesOf(2_412_345_678, 3_912_345_678)).toBe("2.4 of 3.9 GB");
    expect(bytesOf(12_000_000, 3_912_345_678)).toBe("0.0 of 3.9 GB");
    expect(bytesOf(2_412_345_678, null)).toBe("2.4 GB");
  });

  it("show 100 % only when all is done", () => {
    expect(percent(99.97)).toBe("99 %");
    expect(percent(100)).toBe("100 %");
  });

  it("tell a trickle of a core from none, and a ratio as one", () => {
    expect(share(0.0042)).toBe("0.4 %");
    expect(share(0.05)).toBe("5.0 %");
    expect(share(0.998)).toBe("100 %");
    expect(share(1.4)).toBe("140 %");
    expect(ratio(4.312)).toBe("4.3 : 1");
    expect(ratio(240.7)).toBe("241 : 1");
  });

  it("agree in number", () => {
    expect(plural(1, "source", "sources")).toBe("1 source");
    expect(plural(1200, "source", "sources")).toBe("1,200 sources");
  });
});
