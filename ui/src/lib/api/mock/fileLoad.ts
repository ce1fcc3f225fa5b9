/** The mock's dump files: `/aof` begins an append only file, `/bad` breaks off, everything else loads. */

import type { ApiError } from "../generated/ApiError";
import type { FileFacts } from "../generated/FileFacts";
import type { FileLoadDraft } from "../generated/FileLoadDraft";
import type { FileLoadLive } from "../generated/FileLoadLive";
import type { FileLoadReview } from "../generated/FileLoadReview";
import { SERVER } from "./fixtures";
import { pause } from "./preflight";

const SIZE = 3_912_345_678;
const KEYS = 5_930_112;

export class MockFileLoad {
  private live: FileLoadLive | null = null;
  private step = 0;

  /** One batch further. */
  next(): FileLoadLive | null {
    if (this.live?.phase !== "verifying" && this.live?.phase !== "loading") return this.live;
    this.step += 1;
    const share = Math.min(1, this.step / 60);
    const verifying = this.live.phase === "verifying";
    this.live = {
      ...this.live,
      progress: Math.min(99.9, share * 100),
      bytesDone: Math.round(SIZE * share),
      bytesPerSec: verifying ? 910_000_000 : 182_000_000,
      timeLeftMs: (1 - share) * (verifying ? 4_300 : 21_500),
      keys: verifying ? 0 : Math.round(KEYS * share),
      expired: verifying ? 0 : Math.round(1_204 * share),
    };
    if (verifying && share >= 0.3) this.enter("loading");
    else if (this.live.path.includes("bad") && share > 0.4) this.fail();
    else if (share >= 1) this.end("done");
    return this.live;
  }

  async inspect(path: string): Promise<FileFacts> {
    await pause(120);
    if (path.includes("missing")) {
      const error: ApiError = {
        code: "file_unreadable",
        message: `There is no file ${path}.`,
        hint: "Check the path, and that this user may read the file.",
        field: "path",
      };
      throw error;
    }
    return {
      path,
      product: "Redis",
      serverVersion: "7.2.6",
      rdbVersion: 11,
      created: Date.now() - 26 * 3_600_000,
      size: SIZE,
      usedMemory: 5_100_000_000,
      beginsAof: path.includes("aof"),
    };
  }

  async review(draft: FileLoadDraft): Promise<FileLoadReview> {
    const file = await this.inspect(draft.path);
    await pause(250);
    const { host, port, db } = draft.destination;
    const empty = host.startsWith("empty");
    const destination = `${host}:${port}${db === null ? "" : `/${db}`}`;
    return {
      file,
      destination,
      server: SERVER,
      keys: empty ? 0 : 4_112_930,
      databases: empty
        ? []
        : [
            { db: 0, keys: 4_112_918 },
            { db: 3, keys: 12 },
          ],
      functions: empty ? 0 : 2,
      deletesEverything: draft.db === null,
      refusal: host.startsWith("used")
        ? {
            kind: "destination_in_use",
            message: `${destination} is the destination of the replica “sessions-eu”: nothing else may write to it.`,
            hint: "Stop that replica and finish it first (Delete in the window, tributary finish in the terminal), or choose another destination.",
            endpoint: destination,
            since: Date.now(),
            action: "stops",
          }
        : null,
    };
  }

  async start(draft: FileLoadDraft): Promise<void> {
    await pause(150);
    const { host, port, db } = draft.destination;
    this.live = {
      path: draft.path,
      destination: `${host}:${port}${db === null ? "" : `/${db}`}`,
      phase: "loading",
      progress: 0,
      bytesDone: 0,
      bytesTotal: SIZE,
      bytesPerSec: null,
      timeLeftMs: null,
      keys: 0,
      functions: 2,
      expired: 0,
      checkpoints: 0,
      omitted: 0,
      incomplete: true,
      warnings: [],
      failure: null,
    };
    this.enter(draft.existing === "flush" ? "verifying" : "loading");
  }

  async stop(): Promise<void> {
    await pause(300);
    this.end("stopped");
  }

  dismiss(): void {
    this.live = null;
  }

  private enter(phase: "verifying" | "loading"): void {
    this.step = 0;
    if (this.live) this.live = { ...this.live, phase, progress: 0, bytesDone: 0 };
  }

  private end(phase: "done" | "stopped"): void {
    if (!this.live) return;
    const done = phase === "done";
    this.live = {
      ...this.live,
      phase,
      progress: done ? 100 : this.live.progress,
      incomplete: !done,
      bytesPerSec: null,
      timeLeftMs: null,
    };
  }

  private fail(): void {
    if (!this.live) return;
    const { destination, path, keys } = this.live;
    this.end("stopped");
    this.live = {
      ...this.live,
      phase: "failed",
      failure: {
        kind: "corrupt_snapshot",
        message: `${path} is cut off: it ends at byte 1564938271, in the middle of what begins at byte 1564938250. ${destination} is incomplete: ${keys} keys of the file are in.`,
        hint: "The file is damaged or was not copied whole: copy it again, or take another one. redis-check-rdb tells more. Then load again, deleting what is there first (in the terminal: --flush) or going over it (--replace).",
        endpoint: path,
        since: Date.now(),
        action: "stops",
      },
    };
  }
}
