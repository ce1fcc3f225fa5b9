/** What the form for loading a file holds: text as typed, so that nothing is lost on an error. */

import type { ExistingKeys } from "$lib/api/generated/ExistingKeys";
import type { FileLoadDraft } from "$lib/api/generated/FileLoadDraft";
import { EndpointForm } from "./draft.svelte";
import { errors } from "./strings";
import { checkEndpoint, dbError, note, pathError, type FieldErrors } from "./validate";

export class FileLoadForm {
  path = $state("");
  /** The one database of the file; empty: all. */
  db = $state("");
  destination = new EndpointForm();
  existing: ExistingKeys = $state("refuse");
  dumpOnly = $state(false);
  dropFieldExpiry = $state(false);
  skipModuleKeys = $state(false);
  skipFunctions = $state(false);

  draft(): FileLoadDraft {
    return {
      path: this.path.trim(),
      db: this.db.trim() === "" ? null : Number(this.db.trim()),
      destination: this.destination.draft(),
      existing: this.existing,
      dumpOnly: this.dumpOnly,
      dropFieldExpiry: this.dropFieldExpiry,
      skipModuleKeys: this.skipModuleKeys,
      skipFunctions: this.skipFunctions,
    };
  }
}

/** What can be seen to be wrong before the backend is asked. */
export function validateFileLoad(form: FileLoadForm): FieldErrors {
  const found: FieldErrors = {};
  note(found, "path", pathError(form.path.trim()));
  note(found, "db", dbError(form.db));
  checkEndpoint(found, "destination", form.destination);
  if (form.destination.db.trim() !== "" && form.db.trim() === "") {
    note(found, "db", errors.whichDb);
  }
  return found;
}
