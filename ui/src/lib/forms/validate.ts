/**
 * What can be seen to be wrong before the backend is asked. Field names are those of the backend's
 * errors: "destination.host", "sources[0].port".
 */

import { MAX_SOURCES, type DraftForm, type EndpointForm } from "./draft.svelte";
import { errors } from "./strings";

export type FieldErrors = Record<string, string>;

const MAX_NAME = 64;
/** 4 PB: what the backend's 32 bits of MB can say. */
const MAX_SPOOL_MB = 4_294_967_295;

/** `otherNames`: those of the other replicas. */
export function validate(form: DraftForm, otherNames: readonly string[]): FieldErrors {
  const found: FieldErrors = {};
  const name = form.name.trim();
  note(found, "name", nameError(name));
  if (otherNames.includes(name)) note(found, "name", errors.nameTaken(name));
  checkEndpoint(found, "destination", form.destination);
  const quota = form.options.spoolQuotaMb.trim();
  if (!/^\d{1,10}$/.test(quota) || Number(quota) > MAX_SPOOL_MB) {
    note(found, "options.spoolQuotaMb", errors.spoolQuota);
  }
  form.sources.forEach((source, index) => {
    const prefix = `sources[${index}]`;
    note(found, `${prefix}.name`, nameError(source.name.trim()));
    checkEndpoint(found, prefix, source.endpoint);
  });
  checkTogether(found, form);
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

function checkEndpoint(found: FieldErrors, prefix: string, endpoint: EndpointForm): void {
  const host = endpoint.host.trim();
  if (host === "") note(found, `${prefix}.host`, errors.hostMissing);
  else if (endpoint.sentinel.trim() !== "") {
    const sentinels = host.split(",").map((one) => one.trim());
    if (sentinels.some((one) => one === "" || /[\s/@]/.test(one))) {
      note(found, `${prefix}.host`, errors.sentinelsForm);
    }
  } else if (host.includes(",")) note(found, `${prefix}.host`, errors.hostList);
  else if (/[\s/@]/.test(host)) note(found, `${prefix}.host`, errors.hostForm);
  const port = endpoint.port.trim();
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    note(found, `${prefix}.port`, errors.port);
  }
  const db = endpoint.db.trim();
  if (db !== "" && !/^\d{1,9}$/.test(db)) note(found, `${prefix}.db`, errors.db);
}

function nameError(name: string): string | null {
  if (name === "") return errors.nameMissing;
  return name.length > MAX_NAME ? errors.nameLong : null;
}

/** Whether both name the same database, as far as addresses tell. */
function overlaps(a: EndpointForm, b: EndpointForm): boolean {
  if (a.host.trim() === "" || canonicalHost(a) !== canonicalHost(b)) return false;
  if (a.port.trim() !== b.port.trim() || a.sentinel.trim() !== b.sentinel.trim()) return false;
  const [left, right] = [a.db.trim(), b.db.trim()];
  return left === "" || right === "" || left === right;
}

function canonicalHost(endpoint: EndpointForm): string {
  const host = endpoint.host
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1");
  return host === "localhost" || host === "::1" ? "127.0.0.1" : host;
}

/** The first error of a field stands. */
function note(found: FieldErrors, field: string, error: string | null): void {
  if (error !== null) found[field] ??= error;
}
