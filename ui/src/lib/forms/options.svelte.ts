/** How a replica is run, as the form holds it. */

import type { ExpiryChoice } from "$lib/api/generated/ExpiryChoice";
import type { ReplicaOptions } from "$lib/api/generated/ReplicaOptions";

/** What a new replica begins with; the console has the same defaults. */
export const DEFAULT_OPTIONS: ReplicaOptions = {
  spoolQuotaMb: 4096,
  expiry: "follow_source",
  askBeforeResync: false,
  lockDown: false,
  dropFieldExpiry: false,
  skipModuleKeys: false,
  skipFunctions: false,
};

export class OptionsForm {
  /** MB of 1024 × 1024 bytes, as typed. */
  spoolQuota = $state(String(DEFAULT_OPTIONS.spoolQuotaMb));
  expiry: ExpiryChoice = $state(DEFAULT_OPTIONS.expiry);
  askBeforeResync = $state(DEFAULT_OPTIONS.askBeforeResync);
  lockDown = $state(DEFAULT_OPTIONS.lockDown);
  dropFieldExpiry = $state(DEFAULT_OPTIONS.dropFieldExpiry);
  skipModuleKeys = $state(DEFAULT_OPTIONS.skipModuleKeys);
  skipFunctions = $state(DEFAULT_OPTIONS.skipFunctions);

  static of(options: ReplicaOptions): OptionsForm {
    const form = new OptionsForm();
    form.spoolQuota = String(options.spoolQuotaMb);
    form.expiry = options.expiry;
    form.askBeforeResync = options.askBeforeResync;
    form.lockDown = options.lockDown;
    form.dropFieldExpiry = options.dropFieldExpiry;
    form.skipModuleKeys = options.skipModuleKeys;
    form.skipFunctions = options.skipFunctions;
    return form;
  }

  options(): ReplicaOptions {
    return {
      spoolQuotaMb: Number(this.spoolQuota.trim()),
      expiry: this.expiry,
      askBeforeResync: this.askBeforeResync,
      lockDown: this.lockDown,
      dropFieldExpiry: this.dropFieldExpiry,
      skipModuleKeys: this.skipModuleKeys,
      skipFunctions: this.skipFunctions,
    };
  }
}
