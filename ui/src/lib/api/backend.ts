/**
 * What the window asks of the console. `commands.ts` implements it over the shell; in a plain
 * browser a development mock does. Everything above speaks to this type only.
 */

import type { ApiError } from "./generated/ApiError";
import type { CertificateView } from "./generated/CertificateView";
import type { CertificatesReport } from "./generated/CertificatesReport";
import type { CheckLine } from "./generated/CheckLine";
import type { CloseDecision } from "./generated/CloseDecision";
import type { CloseRequest } from "./generated/CloseRequest";
import type { ConnectionReport } from "./generated/ConnectionReport";
import type { DifferenceKind } from "./generated/DifferenceKind";
import type { DifferencePage } from "./generated/DifferencePage";
import type { EndpointDraft } from "./generated/EndpointDraft";
import type { EndpointRole } from "./generated/EndpointRole";
import type { EventView } from "./generated/EventView";
import type { ExportFormat } from "./generated/ExportFormat";
import type { ExportedFile } from "./generated/ExportedFile";
import type { FileFacts } from "./generated/FileFacts";
import type { FileLoadDraft } from "./generated/FileLoadDraft";
import type { FileLoadReview } from "./generated/FileLoadReview";
import type { ImportReport } from "./generated/ImportReport";
import type { LiveBatch } from "./generated/LiveBatch";
import type { ReplicaCheckLine } from "./generated/ReplicaCheckLine";
import type { ReplicaDefinition } from "./generated/ReplicaDefinition";
import type { ReplicaDraft } from "./generated/ReplicaDraft";
import type { Review } from "./generated/Review";
import type { Series } from "./generated/Series";
import type { SeriesRange } from "./generated/SeriesRange";
import type { Settings } from "./generated/Settings";
import type { StartupState } from "./generated/StartupState";
import type { VerifyOptions } from "./generated/VerifyOptions";

/** Which stored secrets "keep" means. */
export type TestTarget = {
  role: EndpointRole;
  replicaId: string | null;
  sourceId: string | null;
};

export type Backend = {
  startup(): Promise<StartupState>;
  /** Calls back at most four times a second, for as long as the window lives. */
  subscribe(onBatch: (batch: LiveBatch) => void): Promise<void>;
  onCloseRequested(ask: (request: CloseRequest) => void): Promise<void>;
  closeDecision(decision: CloseDecision, remember: boolean): Promise<void>;

  parseUrl(url: string): Promise<EndpointDraft>;
  testConnection(
    endpoint: EndpointDraft,
    target: TestTarget,
    onLine: (line: CheckLine) => void,
  ): Promise<ConnectionReport>;
  /** What the server shows in its TLS handshake, also where that is not believed. */
  certificates(endpoint: EndpointDraft, target: TestTarget): Promise<CertificatesReport>;
  /** What a pasted text in PEM form holds. */
  readCertificates(pem: string): Promise<CertificateView[]>;

  reviewDraft(draft: ReplicaDraft, replicaId: string | null): Promise<Review>;
  review(id: string): Promise<Review>;
  /** Looks at every server of a form, or of a kept replica; nothing is changed at any of them. */
  checkDraft(
    draft: ReplicaDraft,
    replicaId: string | null,
    onLine: (line: ReplicaCheckLine) => void,
  ): Promise<void>;
  checkReplica(id: string, onLine: (line: ReplicaCheckLine) => void): Promise<void>;
  createReplica(draft: ReplicaDraft): Promise<ReplicaDefinition>;
  updateReplica(id: string, draft: ReplicaDraft): Promise<ReplicaDefinition>;
  /** Resolves to what could not be done at the destination. */
  deleteReplica(id: string): Promise<string | null>;

  startReplica(id: string, confirmName: string | null): Promise<void>;
  stopReplica(id: string): Promise<void>;
  restartReplica(id: string, confirmName: string | null): Promise<void>;
  pauseReplica(id: string): Promise<void>;
  resumeReplica(id: string): Promise<void>;
  stopSource(id: string, sourceId: string): Promise<void>;
  startSource(id: string, sourceId: string): Promise<void>;
  /** Goes on behind the command that failed. */
  skipFailed(id: string): Promise<void>;
  resumeAll(accept: boolean): Promise<void>;

  /** The desktop's own dialog; null when nothing was chosen. */
  chooseFile(): Promise<string | null>;
  inspectFile(path: string): Promise<FileFacts>;
  /** Looks at the file and the destination; nothing is changed. */
  reviewFileLoad(draft: FileLoadDraft): Promise<FileLoadReview>;
  /** `confirm`: the destination's address, where keys are deleted. */
  startFileLoad(draft: FileLoadDraft, confirm: string | null): Promise<void>;
  /** Resolves once the load has ended. */
  stopFileLoad(): Promise<void>;
  /** Puts away how the last load ended. */
  dismissFileLoad(): Promise<void>;

  events(id: string, limit: number): Promise<EventView[]>;
  history(id: string, sourceId: string | null, range: SeriesRange): Promise<Series>;

  /**
   * Compares the destination with its sources; how that goes is in the live figures. Resolves to
   * its number.
   */
  startVerify(id: string, options: VerifyOptions): Promise<number>;
  stopVerify(id: string): Promise<void>;
  /** A part of the list of the last comparison, all kinds or one. */
  differences(
    id: string,
    kind: DifferenceKind | null,
    offset: number,
    limit: number,
  ): Promise<DifferencePage>;
  /** A file that is not there yet. */
  exportPath(id: string, format: ExportFormat): Promise<string>;
  exportDifferences(id: string, format: ExportFormat, path: string): Promise<ExportedFile>;
  /** Of these places in the list of that comparison, or all; goes on in the background. */
  repairDifferences(id: string, run: number, chosen: readonly number[] | null): Promise<void>;

  /** Asks for a file by the desktop's own dialog; null when none was chosen, else where it is. */
  exportDefinitions(): Promise<string | null>;
  /** Takes in the replicas of a file, stopped; those that are there are refused or replaced. */
  importDefinitions(path: string, replace: boolean): Promise<ImportReport>;

  getSettings(): Promise<Settings>;
  saveSettings(settings: Settings): Promise<void>;

  startDemo(): Promise<ReplicaDefinition>;
  stopDemo(): Promise<void>;
};

/** What a rejection carries, whatever was thrown. */
export function toApiError(thrown: unknown): ApiError {
  if (isApiError(thrown)) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: "internal", message, hint: null, field: null };
}

function isApiError(value: unknown): value is ApiError {
  return typeof value === "object" && value !== null && "code" in value && "message" in value;
}
