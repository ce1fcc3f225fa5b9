import { render, screen } from "@testing-library/svelte";
import { describe, expect, it } from "vitest";
import { failure } from "../../test/samples";
import type { Observed } from "./badge";
import StatusBadge from "./StatusBadge.svelte";

function shown(over: Partial<Observed>): string {
  const observed: Observed = {
    status: "syncing",
    phase: "loading",
    progress: null,
    failure: null,
    ...over,
  };
  const { unmount } = render(StatusBadge, { observed, now: 0 });
  const text = screen.getByTestId("status-badge").textContent.replace(/\s+/g, " ").trim();
  unmount();
  return text;
}

describe("the badge", () => {
  it("says in words what the colour says", () => {
    expect(shown({ status: "synced", phase: "synced" })).toBe("Synced");
    expect(shown({ progress: 43.9 })).toBe("Syncing 43 %");
    expect(shown({ phase: "paused" })).toBe("Paused");
  });

  it("does not invent a percentage", () => {
    expect(shown({ phase: "connecting" })).toBe("Syncing");
  });

  it("says which attempt comes when", () => {
    const retry = { attempt: 4, nextAt: 8_000 };
    expect(shown({ phase: "retrying", retry })).toBe("Reconnecting attempt 4 in 8 s");
  });

  it("tells a stop by the user from a stop by an error", () => {
    expect(shown({ status: "stopped", phase: "stopped" })).toBe("Stopped");
    expect(shown({ status: "stopped", phase: "stopped", failure })).toBe("Sync stopped");
  });

  it("has a shape of its own for every state", () => {
    const shapes = [
      { status: "synced", phase: "synced" } as const,
      { status: "syncing", phase: "loading" } as const,
      { status: "syncing", phase: "retrying" } as const,
      { status: "synced", phase: "paused" } as const,
      { status: "stopped", phase: "stopped" } as const,
    ].map((state) => {
      const observed: Observed = { progress: null, failure: null, ...state };
      const { container, unmount } = render(StatusBadge, { observed, now: 0 });
      const drawing = container.querySelector("svg")?.innerHTML;
      unmount();
      return drawing;
    });
    expect(new Set(shapes).size).toBe(5);
  });
});
