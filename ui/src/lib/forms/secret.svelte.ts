/** A password or passphrase as the form holds it. */

import type { PasswordDraft } from "$lib/api/generated/PasswordDraft";

export class SecretForm {
  /** The stored one stays as it is. */
  keep = $state(false);
  value = $state("");
  thisRunOnly = $state(false);

  /** `stored`: whether there is one to keep. */
  constructor(readonly stored = false) {
    this.keep = stored;
  }

  /** Takes what a pasted URL said; one that says nothing leaves all as it is. */
  fill(draft: PasswordDraft): void {
    if (draft.kind !== "set") return;
    this.keep = false;
    this.value = draft.value;
  }

  draft(): PasswordDraft {
    if (this.keep) return { kind: "keep" };
    if (this.value === "") return { kind: "none" };
    return { kind: "set", value: this.value, thisRunOnly: this.thisRunOnly };
  }
}
