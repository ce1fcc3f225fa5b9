/** The seam to the shell: the only file that imports `@tauri-apps/*`. */

import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Backend } from "./backend";
import type { CheckLine } from "./generated/CheckLine";
import type { CloseRequest } from "./generated/CloseRequest";
import type { LiveBatch } from "./generated/LiveBatch";
import type { ReplicaCheckLine } from "./generated/ReplicaCheckLine";

/** Whether the page runs inside Tributary's window. */
export function inWindow(): boolean {
  return "__TAURI_INTERNALS__" in globalThis;
}

function channel<T>(onMessage: (message: T) => void): Channel<T> {
  const opened = new Channel<T>();
  opened.onmessage = onMessage;
  return opened;
}

export const commands: Backend = {
  startup: () => invoke("startup"),
  subscribe: (onBatch) => invoke("subscribe", { channel: channel<LiveBatch>(onBatch) }),
  onCloseRequested: async (ask) => {
    await listen<CloseRequest>("close-requested", (event) => {
      ask(event.payload);
    });
  },
  closeDecision: (decision, remember) => invoke("close_decision", { decision, remember }),

  parseUrl: (url) => invoke("parse_url", { url }),
  testConnection: (endpoint, target, onLine) =>
    invoke("test_connection", { endpoint, ...target, channel: channel<CheckLine>(onLine) }),
  certificates: (endpoint, target) => invoke("certificates", { endpoint, ...target }),
  readCertificates: (pem) => invoke("read_certificates", { pem }),

  reviewDraft: (draft, replicaId) => invoke("review_draft", { draft, replicaId }),
  review: (id) => invoke("review", { id }),
  checkDraft: (draft, replicaId, onLine) =>
    invoke("check_draft", { draft, replicaId, channel: channel<ReplicaCheckLine>(onLine) }),
  checkReplica: (id, onLine) =>
    invoke("check_replica", { id, channel: channel<ReplicaCheckLine>(onLine) }),
  createReplica: (draft) => invoke("create_replica", { draft }),
  updateReplica: (id, draft) => invoke("update_replica", { id, draft }),
  deleteReplica: (id) => invoke("delete_replica", { id }),

  startReplica: (id, confirmName) => invoke("start_replica", { id, confirmName }),
  stopReplica: (id) => invoke("stop_replica", { id }),
  restartReplica: (id, confirmName) => invoke("restart_replica", { id, confirmName }),
  pauseReplica: (id) => invoke("pause_replica", { id }),
  resumeReplica: (id) => invoke("resume_replica", { id }),
  stopSource: (id, sourceId) => invoke("stop_source", { id, sourceId }),
  startSource: (id, sourceId) => invoke("start_source", { id, sourceId }),
  skipFailed: (id) => invoke("skip_failed", { id }),
  resumeAll: (accept) => invoke("resume_all", { accept }),

  chooseFile: () => invoke("choose_file"),
  inspectFile: (path) => invoke("inspect_file", { path }),
  reviewFileLoad: (draft) => invoke("review_file_load", { draft }),
  startFileLoad: (draft, confirm) => invoke("start_file_load", { draft, confirm }),
  stopFileLoad: () => invoke("stop_file_load"),
  dismissFileLoad: () => invoke("dismiss_file_load"),

  events: (id, limit) => invoke("events", { id, limit }),
  history: (id, sourceId, range) => invoke("history", { id, sourceId, range }),

  startVerify: (id, options) => invoke("start_verify", { id, options }),
  stopVerify: (id) => invoke("stop_verify", { id }),
  differences: (id, kind, offset, limit) => invoke("differences", { id, kind, offset, limit }),
  exportPath: (id, format) => invoke("export_path", { id, format }),
  exportDifferences: (id, format, path) => invoke("export_differences", { id, format, path }),
  repairDifferences: (id, run, chosen) => invoke("repair_differences", { id, run, chosen }),

  exportDefinitions: () => invoke("export_definitions"),
  importDefinitions: (path, replace) => invoke("import_definitions", { path, replace }),

  getSettings: () => invoke("get_settings"),
  saveSettings: (settings) => invoke("save_settings", { settings }),

  startDemo: () => invoke("start_demo"),
  stopDemo: () => invoke("stop_demo"),
};
