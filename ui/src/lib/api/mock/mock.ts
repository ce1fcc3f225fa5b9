/**
 * A backend for a plain browser (`npm run dev`): `?scenario=empty|mixed|many|keyring|resume|close`.
 * The production bundle does not hold it.
 */

import type { Backend } from "../backend";
import type { EventView } from "../generated/EventView";
import type { LiveBatch } from "../generated/LiveBatch";
import type { ReplicaDefinition } from "../generated/ReplicaDefinition";
import type { ReplicaDraft } from "../generated/ReplicaDraft";
import type { Settings } from "../generated/Settings";
import type { StartupState } from "../generated/StartupState";
import type { Theme } from "../generated/Theme";
import type { TlsView } from "../generated/TlsView";
import type { VerifyOptions } from "../generated/VerifyOptions";
import {
  CALM,
  SERVER,
  definition,
  endpoint,
  failure,
  kept,
  linked,
  type Conditions,
  type Script,
} from "./fixtures";
import { certificatesOf, readPem } from "./certificates";
import { MockFileLoad } from "./fileLoad";
import { parse, refusal } from "./forms";
import { pause, reviewOf, tellCheck } from "./preflight";
import { aggregate, series, simulate } from "./simulate";
import { MockVerify } from "./verify";

const STOPPED: Script = { status: "stopped", phase: "stopped" };
const SYNCED: Script = { status: "synced", phase: "synced" };

export function createMock(query: URLSearchParams): Backend {
  return new Mock(query.get("scenario") ?? "mixed", (query.get("theme") ?? "system") as Theme)
    .backend;
}

class Mock {
  private definitions: ReplicaDefinition[] = [];
  private readonly scripts = new Map<string, Script>();
  private readonly conditions = new Map<string, Conditions>();
  private readonly events: EventView[] = [];
  private fresh: EventView[] = [];
  private readonly verifications = new Map<string, MockVerify>();
  private settings: Settings;
  private readonly fileLoad = new MockFileLoad();

  constructor(
    private readonly scenario: string,
    theme: Theme,
  ) {
    this.settings = { theme, onClose: "ask", notifications: true };
    if (scenario !== "empty") this.populate();
  }

  readonly backend: Backend = {
    startup: () => Promise.resolve(this.startup()),
    subscribe: (onBatch) => {
      const push = (): void => {
        onBatch(this.batch(Date.now()));
      };
      push();
      setInterval(push, 250);
      return Promise.resolve();
    },
    onCloseRequested: (ask) => {
      if (this.scenario === "close") setTimeout(ask, 300, { running: 3, loading: false });
      return Promise.resolve();
    },
    closeDecision: () => Promise.resolve(),
    parseUrl: (url) => parse(url),
    testConnection: async (_, target, onLine) => {
      const lines = [
        ["Server", "Redis 7.0.15, standalone"],
        ["Role", "primary"],
        ["Keys", "4,112,930 in db 0, 12 in db 3"],
        ["Memory", "6.2 GB of 16.0 GB"],
      ] as const;
      for (const [what, found] of lines) {
        onLine({ what, found, verdict: "ok", hint: null });
        await pause(180);
      }
      if (target.role === "source") {
        onLine({
          what: "Replication",
          found: "The user default may not run PSYNC.",
          verdict: "problem",
          hint: "Grant it: ACL SETUSER default +psync +replconf.",
        });
      }
      return {
        reachable: true,
        facts: SERVER,
        role: "master",
        mayPsync: false,
        keysByDb: [{ db: 0, keys: 4_112_930 }],
        failure: null,
      };
    },
    certificates: (endpoint) => certificatesOf(endpoint),
    readCertificates: (pem) => readPem(pem),
    reviewDraft: async (draft) => {
      await pause(200);
      if (draft.destination.host === "down") throw refusal("unreachable", "destination.host");
      const known = draft.sources.filter((source) => source.id !== null);
      const added = draft.sources.filter((source) => source.id === null);
      return reviewOf(
        draft.name,
        draft.destination.host,
        draft.sources.map((s) => s.name),
        known.length > 0 ? added.map((source) => source.name) : null,
      );
    },
    checkDraft: (draft, _, onLine) =>
      tellCheck(
        draft.sources.map((source) => [
          source.name,
          `${source.endpoint.host}:${source.endpoint.port}`,
        ]),
        `${draft.destination.host}:${draft.destination.port}`,
        onLine,
      ),
    checkReplica: (id, onLine) => {
      const found = this.find(id);
      const address = (url: string): string => url.replace(/^rediss?:\/\/|\?.*$/g, "");
      return tellCheck(
        found.sources.map((source) => [source.id, address(source.endpoint.url)]),
        address(found.destination.url),
        onLine,
      );
    },
    review: async (id) => {
      await pause(200);
      const found = this.find(id);
      return reviewOf(
        found.name,
        "10.0.3.7:6379",
        found.sources.map((s) => s.name),
        null,
      );
    },
    createReplica: (draft) => Promise.resolve(this.add(draft)),
    updateReplica: (id, draft) => {
      this.definitions = this.definitions.filter((other) => other.id !== id);
      return Promise.resolve(this.add(draft, id));
    },
    deleteReplica: (id) => {
      this.definitions = this.definitions.filter((other) => other.id !== id);
      return Promise.resolve(
        id === "carts"
          ? "10.0.3.7:6379 could not be reached: this replica's checkpoints stay there."
          : null,
      );
    },
    startReplica: async (id, confirmName) => {
      await pause(200);
      if (confirmName === null && this.find(id).name === "carts") {
        throw refusal("confirmation_needed", null);
      }
      this.load(id);
    },
    stopReplica: async (id) => {
      await pause(200);
      for (const source of this.find(id).sources) this.scripts.set(source.id, STOPPED);
      this.say(id, "info", "Stopped. The place is kept.");
    },
    restartReplica: async (id) => {
      await pause(200);
      this.load(id);
    },
    pauseReplica: async (id) => {
      await pause(100);
      this.intend(id, "paused");
      for (const source of this.find(id).sources) this.pauseSource(source.id);
      this.say(
        id,
        "info",
        "Paused by the user: what the sources send is kept, nothing is applied.",
      );
    },
    resumeReplica: async (id) => {
      await pause(100);
      this.intend(id, "running");
      for (const source of this.find(id).sources) {
        if (this.scripts.get(source.id)?.phase === "paused") this.scripts.set(source.id, SYNCED);
      }
      this.say(id, "info", "Goes on after the pause.");
    },
    stopSource: async (id, sourceId) => {
      await pause(100);
      this.scripts.set(sourceId, STOPPED);
      this.say(id, "info", "Stopped by the user; the other sources go on.");
    },
    startSource: async (id, sourceId) => {
      await pause(100);
      this.scripts.set(sourceId, SYNCED);
      this.say(id, "info", "Started by the user.");
    },
    skipFailed: async (id) => {
      await pause(200);
      for (const source of this.find(id).sources) this.scripts.set(source.id, SYNCED);
      this.say(id, "info", "Started by the user, behind the command that failed.");
    },
    resumeAll: () => Promise.resolve(),
    chooseFile: () => Promise.resolve("/var/lib/redis/dump.rdb"),
    inspectFile: (path) => this.fileLoad.inspect(path),
    reviewFileLoad: (draft) => this.fileLoad.review(draft),
    startFileLoad: (draft) => this.fileLoad.start(draft),
    stopFileLoad: () => this.fileLoad.stop(),
    dismissFileLoad: () => {
      this.fileLoad.dismiss();
      return Promise.resolve();
    },
    events: (id) => Promise.resolve(this.events.filter((event) => event.replicaId === id)),
    history: (id, _, range) => Promise.resolve(series(range, Date.now(), id === "carts")),
    startVerify: async (id, options) => {
      await pause(150);
      return this.verify(id, options);
    },
    stopVerify: (id) => {
      this.verifications.get(id)?.stop();
      return Promise.resolve();
    },
    differences: (id, kind, offset, limit) => {
      const page = this.verifications.get(id)?.page(kind, offset, limit);
      return page ? Promise.resolve(page) : Promise.reject(new Error("not verified"));
    },
    exportPath: (id, format) => {
      const extension = format === "csv" ? "csv" : "jsonl";
      return Promise.resolve(`/home/op/Downloads/${this.find(id).name}-differences.${extension}`);
    },
    exportDifferences: async (id, _, path) => {
      await pause(300);
      const differences = this.verifications.get(id)?.page(null, 0, 0).total ?? 0;
      return { path, differences };
    },
    repairDifferences: async (id, _, chosen) => {
      await pause(150);
      this.verifications.get(id)?.repair(chosen);
    },
    exportDefinitions: () => Promise.resolve("/home/op/Downloads/replicas.toml"),
    importDefinitions: (_, replace) => {
      const names = this.definitions.map((definition) => `“${definition.name}”`).join(", ");
      return replace
        ? Promise.resolve({ added: [], replaced: [names], missing: [] })
        : Promise.reject(new Error(`There already: ${names}.`));
    },
    getSettings: () => Promise.resolve(this.settings),
    saveSettings: (settings) => {
      this.settings = settings;
      return Promise.resolve();
    },
    startDemo: async () => {
      await pause(600);
      const demo = { ...definition("demo", 1), name: "Demo", demo: true };
      demo.sources = demo.sources.map((source) => ({
        ...source,
        name: "source",
        endpoint: endpoint("127.0.0.1", 40123),
      }));
      this.definitions.push(demo);
      this.load("demo");
      return demo;
    },
    stopDemo: () => {
      this.definitions = this.definitions.filter((other) => !other.demo);
      return Promise.resolve();
    },
  };

  private populate(): void {
    const now = Date.now();
    const many = this.scenario === "many";
    const sessions = definition("sessions-eu", many ? 32 : 3);
    const catalogue = definition("catalogue", 2);
    const carts = definition("carts", 1);
    const search = definition("search-index", 2);
    const orders = { ...definition("orders", 2), intent: "paused" as const };
    orders.options = { ...orders.options, lockDown: true, expiry: "exact" };
    const ledger = definition("ledger", 2);
    const profiles = definition("profiles", 1);
    profiles.options = { ...profiles.options, askBeforeResync: true };
    const archive = definition("archive", 1);
    this.link(sessions, 0, { trust: { kind: "file", path: "/etc/redis/ca.pem" } }, true);
    this.link(sessions, 1, { insecure: true }, false);
    this.link(search, 0, null, true);
    this.link(archive, 0, {}, true);
    archive.destination = linked(archive.destination, { insecure: true }, false);
    this.definitions = [sessions, catalogue, carts, search, orders, ledger, profiles, archive];
    for (const source of sessions.sources) this.scripts.set(source.id, SYNCED);
    for (const source of catalogue.sources) this.loadSource(source.id, 43);
    this.scripts.set("carts-0", {
      ...STOPPED,
      failure: failure("wrong_password", "redis-0.carts.internal:6379", now - 320_000),
    });
    this.scripts.set("search-index-0", { ...SYNCED, behind: true });
    this.scripts.set("search-index-1", {
      status: "syncing",
      phase: "retrying",
      retry: { attempt: 4, nextAt: now + 25_000 },
      failure: failure("unreachable", "redis-1.search-index.internal:6380", now - 42_000),
    });
    this.userStopped(sessions);
    this.conditions.set("sessions-eu", { ...CALM, expiry: "import_mode" });
    this.conditions.set("search-index", {
      ...CALM,
      foreignWrites: 3,
      foreignWrite:
        "Another client, 10.0.9.4:51822 (user app), wrote to the destination with SET: the data is no longer only the sources'.",
    });
    for (const source of orders.sources) this.pauseSource(source.id);
    const lockDown = { users: ["app", "reports"], problem: null };
    this.conditions.set("orders", { ...CALM, expiry: "exact", lockDown });
    this.scripts.set("ledger-0", SYNCED);
    this.scripts.set("ledger-1", {
      ...STOPPED,
      failure: failure("command_failed", "10.0.3.7:6379", now - 61_000),
    });
    const problem = "Others are logged in as the user that this replica uses: 10.0.9.4:51822.";
    this.conditions.set("ledger", { ...CALM, lockDown: { users: [], problem } });
    this.scripts.set("profiles-0", {
      ...STOPPED,
      failure: failure("resync_needed", "10.0.3.7:6379", now - 5_000),
    });
    this.scripts.set("archive-0", {
      ...STOPPED,
      failure: failure("not_relay", "redis-0.archive.internal:6379", now - 12_000),
    });
    for (const name of ["sessions-eu", "catalogue", "search-index"]) {
      this.say(name, "info", "Started.");
      this.say(name, "info", "Asks for a full snapshot: the destination was empty.");
      this.say(name, "info", "Snapshot loaded: 1,950,000 keys in 48 s.");
    }
    const hint = "See whether the server runs and whether a firewall stands in the way.";
    this.say("search-index", "warning", "The connection was lost: reset by the source.", hint);
    this.say(
      "carts",
      "error",
      "redis-0.carts.internal:6379 refused the password for user default.",
      "Enter the current password under Edit, then start again.",
    );
  }

  private startup(): StartupState {
    const bad = this.scenario === "keyring";
    return {
      settings: this.settings,
      definitions: this.definitions,
      resumable: this.scenario === "resume" ? ["sessions-eu", "catalogue"] : [],
      keyring: {
        ok: !bad,
        message: bad ? "No keyring answers on this desktop." : null,
        hint: bad ? "Install gnome-keyring or KWallet and log in again." : null,
      },
      demoAvailable: true,
      demoProblem: null,
      version: "0.1.0",
    };
  }

  private batch(at: number): LiveBatch {
    const events = this.fresh;
    this.fresh = [];
    const replicas = this.definitions.map((replica) => {
      const sources = replica.sources.map((source, index) => {
        const script = this.scripts.get(source.id) ?? STOPPED;
        return simulate(source, script, at, index);
      });
      const live = aggregate(replica, sources, this.conditions.get(replica.id) ?? CALM, at);
      return { ...live, verify: this.verifications.get(replica.id)?.live(at) ?? null };
    });
    const fileLoad = this.fileLoad.next();
    return { at, replicas, ...(fileLoad && { fileLoad }), events };
  }

  /** One replica is equal, one differs a little, one a lot, one cannot be reached. */
  private verify(id: string, options: VerifyOptions): number {
    const replica = this.find(id);
    const run = (this.verifications.get(id)?.run ?? 0) + 1;
    const found = { "sessions-eu": 13, catalogue: 48_211, orders: 3 }[id] ?? 0;
    const followed = id !== "orders";
    const made = new MockVerify(run, replica, options, followed, found, id === "carts");
    this.verifications.set(id, made);
    this.say(id, "info", `Verify started by the user: ${options.mode}.`);
    return run;
  }

  private intend(id: string, intent: ReplicaDefinition["intent"]): void {
    this.find(id).intent = intent;
  }

  private pauseSource(id: string): void {
    if (this.scripts.get(id)?.phase === "stopped") return;
    this.scripts.set(id, {
      status: "synced",
      phase: "paused",
      spool: [48_300_000, 340_000_000],
      clockSkewMs: -1_420,
    });
  }

  private link(
    of: ReplicaDefinition,
    index: number,
    tls: Partial<TlsView> | null,
    gzip: boolean,
  ): void {
    const source = of.sources[index];
    if (source) source.endpoint = linked(source.endpoint, tls, gzip);
  }

  /** The last of its sources, as after a click on its Stop. */
  private userStopped(definition: ReplicaDefinition): void {
    const last = definition.sources.at(-1);
    if (!last) return;
    last.stopped = true;
    this.scripts.set(last.id, STOPPED);
  }

  private load(id: string): void {
    for (const source of this.find(id).sources) this.loadSource(source.id, 0);
    this.say(id, "info", "Started from the beginning.");
  }

  private loadSource(id: string, from: number): void {
    const script: Script = { status: "syncing", phase: "loading", progress: from };
    this.scripts.set(id, script);
    const step = setInterval(() => {
      if (this.scripts.get(id) !== script) {
        clearInterval(step);
        return;
      }
      script.progress = (script.progress ?? 0) + (from === 0 ? 2 : 0.2);
      if (script.progress >= 100) this.scripts.set(id, SYNCED);
    }, 250);
  }

  private say(
    replicaId: string,
    severity: EventView["severity"],
    message: string,
    hint?: string,
  ): void {
    const event: EventView = {
      id: this.events.length + 1,
      replicaId,
      sourceId: null,
      sourceName: this.find(replicaId).sources[0]?.name ?? null,
      at: Date.now() - Math.max(0, 90 - this.events.length * 7) * 1000,
      severity,
      message,
      hint: hint ?? null,
    };
    this.events.push(event);
    this.fresh.push(event);
  }

  private add(draft: ReplicaDraft, id = draft.name): ReplicaDefinition {
    const added: ReplicaDefinition = {
      id,
      name: draft.name,
      destination: kept(draft.destination),
      sources: draft.sources.map((source, index) => ({
        id: source.id ?? `${id}-${index}`,
        name: source.name,
        endpoint: kept(source.endpoint),
        stopped: false,
      })),
      options: draft.options,
      intent: "stopped",
      demo: false,
      createdAt: Date.now(),
    };
    this.definitions.push(added);
    return added;
  }

  private find(id: string): ReplicaDefinition {
    const found = this.definitions.find((replica) => replica.id === id);
    if (!found) throw new Error(`no replica ${id} in the mock`);
    return found;
  }
}
