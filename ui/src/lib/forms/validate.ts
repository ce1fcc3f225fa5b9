/**
 * What can be seen to be wrong before the backend is asked. Field names are those of the backend's
 * errors: "destination.host", "sources[0].port".
 */

import { MAX_SOURCES, type DraftForm, type EndpointForm } from "./draft.svelte";
import { errors } from "./strings";
import type { TlsForm } from "./tls.svelte";

export type FieldErrors = Record<string, string>;

/** Who keeps what is wrong with the fields of a form, and what the user did to them. */
export type FieldWatch = {
  /** What stands beside a field. */
  error(field: string): string | null;
  /** The user changes a field. */
  change(field: string): void;
  /** The user left a field. */
  leave(field: string): void;
};

const MAX_NAME = 64;

/** `otherNames`: those of the other replicas. */
export function validate(form: DraftForm, otherNames: readonly string[]): FieldErrors {
  const found: FieldErrors = {};
  const name = form.name.trim();
  note(found, "name", nameError(name));
  if (otherNames.includes(name)) note(found, "name", errors.nameTaken(name));
  checkEndpoint(found, "destination", form.destination);
  form.sources.forEach((source, index) => {
    const prefix = `sources[${index}]`;
    note(found, `${prefix}.name`, nameError(source.name.trim()));
    checkEndpoint(found, prefix, source.endpoint);
  });
  checkTogether(found, form);
  if (!/^\d{1,9}$/.test(form.options.spoolQuota.trim())) {
    note(found, "options.spoolQuota", errors.spoolQuota);
  }
  return found;
}

/** The errors of one step or one source: those whose name starts so. */
export function under(found: FieldErrors, prefix: string): FieldErrors {
  return Object.fromEntries(Object.entries(found).filter(([field]) => field.startsWith(prefix)));
}

function checkTogether(found: FieldErrors, form: DraftForm): void {
  if (form.sources.length === 0) note(found, "sources", errors.noSource);
  if (form.sources.length > MAX_SOURCES) note(found, "sources", errors.tooMany(MAX_SOURCES));
  form.sources.forEach((source, index) => {
    const earlier = form.sources.slice(0, index);
    const sameName = earlier.find((other) => other.name.trim() === source.name.trim());
    if (sameName) {
      note(found, `sources[${index}].name`, errors.sourceNameTaken(source.name.trim()));
    }
    const same = earlier.find((other) => overlaps(other.endpoint, source.endpoint));
    if (same) note(found, `sources[${index}].host`, errors.sameDatabase(same.name.trim()));
    if (overlaps(form.destination, source.endpoint)) {
      note(found, `sources[${index}].host`, errors.ownSource);
    }
  });
}

export function checkEndpoint(found: FieldErrors, prefix: string, endpoint: EndpointForm): void {
  const host = endpoint.host.trim();
  if (endpoint.throughSentinels) {
    note(found, `${prefix}.host`, sentinelsError(host));
    if (endpoint.sentinel.trim() === "") note(found, `${prefix}.sentinel`, errors.sentinelName);
  } else if (host === "") note(found, `${prefix}.host`, errors.hostMissing);
  else if (host.includes(",")) note(found, `${prefix}.host`, errors.manyHosts);
  else if (/[\s/@]/.test(host)) note(found, `${prefix}.host`, errors.hostForm);
  const port = endpoint.port.trim();
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    note(found, `${prefix}.port`, errors.port);
  }
  note(found, `${prefix}.db`, dbError(endpoint.db));
  if (endpoint.tls.on) checkTls(found, `${prefix}.tls`, endpoint.tls);
}

function checkTls(found: FieldErrors, prefix: string, tls: TlsForm): void {
  if (tls.trust === "file") note(found, `${prefix}.path`, pathError(tls.path.trim()));
  if (tls.trust === "certificate") note(found, `${prefix}.pem`, pemError(tls.pem));
  if (/[\s/@,]/.test(tls.serverName.trim())) note(found, `${prefix}.serverName`, errors.hostForm);
  const [certificate, key] = [tls.certificate.trim(), tls.key.trim()];
  if (certificate === "" && key === "") return;
  const { certificateMissing, keyMissing } = errors;
  const certificateError = certificate === "" ? certificateMissing : pathError(certificate);
  note(found, `${prefix}.identity.certificate`, certificateError);
  note(found, `${prefix}.identity.key`, key === "" ? keyMissing : pathError(key));
}

/** A key in the place of a certificate is said before it goes anywhere. */
function pemError(text: string): string | null {
  if (text.trim() === "") return errors.pemMissing;
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return errors.pemKey;
  return text.includes("-----BEGIN CERTIFICATE-----") ? null : errors.pemForm;
}

/** A whole path on this machine. */
export function pathError(path: string): string | null {
  if (path === "") return errors.pathMissing;
  // On Windows a path begins with a drive or a share.
  return /^(\/|~\/|[A-Za-z]:[\\/]|\\\\)/.test(path) ? null : errors.pathRelative;
}

/** A database's number, or nothing. */
export function dbError(typed: string): string | null {
  return /^\d{0,9}$/.test(typed.trim()) ? null : errors.db;
}

/** A list of hosts, each with a port of its own or without. */
function sentinelsError(hosts: string): string | null {
  const each = hosts.split(",").map((text) => text.trim());
  const good = each.every((text) => text !== "" && !/[\s/@]/.test(text));
  return good ? null : errors.sentinelHosts;
}

function nameError(name: string): string | null {
  if (name === "") return errors.nameMissing;
  return name.length > MAX_NAME ? errors.nameLong : null;
}

/** Whether both name the same database, as far as addresses tell. */
function overlaps(a: EndpointForm, b: EndpointForm): boolean {
  if (a.host.trim() === "" || canonicalHost(a) !== canonicalHost(b)) return false;
  if (a.port.trim() !== b.port.trim()) return false;
  if (nameOf(a) !== nameOf(b)) return false;
  const [left, right] = [a.db.trim(), b.db.trim()];
  return left === "" || right === "" || left === right;
}

/** One set of Sentinels watches many servers. */
function nameOf(endpoint: EndpointForm): string {
  return endpoint.throughSentinels ? endpoint.sentinel.trim() : "";
}

function canonicalHost(endpoint: EndpointForm): string {
  const host = endpoint.host
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" ? "127.0.0.1" : host;
}

/** The first error of a field stands. */
export function note(found: FieldErrors, field: string, error: string | null): void {
  if (error !== null) found[field] ??= error;
}
