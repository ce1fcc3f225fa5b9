/** The state of the window: what the backend told, and where the user is. */

import { getContext, setContext } from "svelte";
import { toApiError, type Backend } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { CloseDecision } from "$lib/api/generated/CloseDecision";
import type { CloseRequest } from "$lib/api/generated/CloseRequest";
import type { ReplicaDefinition } from "$lib/api/generated/ReplicaDefinition";
import type { Settings } from "$lib/api/generated/Settings";
import type { StartupState } from "$lib/api/generated/StartupState";
import { LiveStore } from "./live.svelte";
import { Router } from "./router.svelte";
import { applyTheme } from "./theme";

export class AppState {
  readonly live = new LiveStore();
  readonly router = new Router();

  ready = $state(false);
  definitions: ReplicaDefinition[] = $state.raw([]);
  settings: Settings = $state.raw({ theme: "system", onClose: "ask", notifications: true });
  keyring: StartupState["keyring"] = $state.raw({ ok: true, message: null, hint: null });
  demo: { available: boolean; problem: string | null } = $state.raw({
    available: false,
    problem: null,
  });
  version = $state("");
  /** Replicas that ran when the app was closed, until the user answered. */
  resumable: string[] = $state.raw([]);
  closeRequest: CloseRequest | null = $state.raw(null);
  /** A command that failed and that no form shows. */
  failure: ApiError | null = $state.raw(null);
  /** What a command that succeeded could not do. */
  notice: string | null = $state(null);
  demoStarting = $state(false);

  constructor(readonly backend: Backend) {}

  async begin(): Promise<void> {
    const state = await this.attempt(() => this.backend.startup());
    if (state) this.take(state);
    this.ready = true;
    await this.attempt(() =>
      this.backend.subscribe((batch) => {
        this.live.apply(batch);
      }),
    );
    await this.attempt(() =>
      this.backend.onCloseRequested((request) => {
        this.closeRequest = request;
      }),
    );
  }

  definition(id: string): ReplicaDefinition | null {
    return this.definitions.find((definition) => definition.id === id) ?? null;
  }

  /** Runs a command; a rejection becomes the banner at the top. */
  async attempt<T>(command: () => Promise<T>): Promise<T | null> {
    try {
      const result = await command();
      this.failure = null;
      return result;
    } catch (thrown) {
      this.failure = toApiError(thrown);
      return null;
    }
  }

  keep(definition: ReplicaDefinition): void {
    const others = this.definitions.filter((other) => other.id !== definition.id);
    this.definitions = [...others, definition].sort((a, b) => a.createdAt - b.createdAt);
  }

  forget(id: string): void {
    this.definitions = this.definitions.filter((definition) => definition.id !== id);
    this.resumable = this.resumable.filter((other) => other !== id);
    this.live.forget(id);
    if (this.router.replicaId === id) this.router.go({ view: "overview" });
  }

  async startDemo(): Promise<void> {
    if (this.demoStarting) return;
    this.demoStarting = true;
    const definition = await this.attempt(() => this.backend.startDemo());
    this.demoStarting = false;
    if (!definition) return;
    this.keep(definition);
    this.router.go({ view: "replica", id: definition.id });
  }

  async stopDemo(id: string): Promise<void> {
    const done = await this.attempt(async () => {
      await this.backend.stopDemo();
      return true;
    });
    if (done) this.forget(id);
  }

  async answerResume(accept: boolean): Promise<void> {
    this.resumable = [];
    await this.attempt(() => this.backend.resumeAll(accept));
  }

  async answerClose(decision: CloseDecision, remember: boolean): Promise<void> {
    this.closeRequest = null;
    if (remember && decision !== "cancel") this.settings = { ...this.settings, onClose: decision };
    await this.attempt(() => this.backend.closeDecision(decision, remember));
  }

  async saveSettings(settings: Settings): Promise<void> {
    const before = this.settings;
    this.settings = settings;
    applyTheme(settings.theme);
    const saved = await this.attempt(async () => {
      await this.backend.saveSettings(settings);
      return true;
    });
    if (saved) return;
    this.settings = before;
    applyTheme(before.theme);
  }

  private take(state: StartupState): void {
    this.definitions = state.definitions;
    this.settings = state.settings;
    this.keyring = state.keyring;
    this.resumable = state.resumable;
    this.demo = { available: state.demoAvailable, problem: state.demoProblem };
    this.version = state.version;
    applyTheme(state.settings.theme);
  }
}

const KEY = Symbol("app");

export function provideApp(app: AppState): void {
  setContext(KEY, app);
}

export function useApp(): AppState {
  return getContext<AppState>(KEY);
}
