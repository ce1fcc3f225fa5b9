/** Brings the window up: picks the backend, loads the first state, mounts. */

import { mount } from "svelte";
import App from "./app/App.svelte";
import "./app.css";
import type { Backend } from "$lib/api/backend";
import { commands, inWindow } from "$lib/api/commands";
import { AppState } from "$lib/stores/app.svelte";

async function backend(): Promise<Backend> {
  // The production bundle holds no mock: this condition is false at build time there.
  if (import.meta.env.MODE !== "production" && !inWindow()) {
    const { createMock } = await import("$lib/api/mock/mock");
    return createMock(new URLSearchParams(location.search));
  }
  return commands;
}

export async function start(): Promise<void> {
  const target = document.getElementById("app");
  if (!target) throw new Error("index.html has no #app");
  const app = new AppState(await backend());
  mount(App, { target, props: { app } });
  await app.begin();
}
