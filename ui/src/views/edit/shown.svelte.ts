/** The certificates that a server shows, as they were asked for last. */

import { toApiError, type Backend, type TestTarget } from "$lib/api/backend";
import type { ApiError } from "$lib/api/generated/ApiError";
import type { CertificatesReport } from "$lib/api/generated/CertificatesReport";
import type { EndpointForm } from "$lib/forms/draft.svelte";

export class ShownCertificates {
  open = $state(false);
  reading = $state(false);
  report: CertificatesReport | null = $state.raw(null);
  /** Whose they are. */
  address = $state("");
  /** Why the question itself was refused. */
  refused: ApiError | null = $state.raw(null);

  constructor(private readonly backend: Backend) {}

  async read(endpoint: EndpointForm, target: TestTarget): Promise<void> {
    if (this.reading) return;
    if (this.address !== endpoint.address) this.report = null;
    this.address = endpoint.address;
    this.open = true;
    this.reading = true;
    this.refused = null;
    try {
      this.report = await this.backend.certificates(endpoint.draft(), target);
    } catch (thrown) {
      this.report = null;
      this.refused = toApiError(thrown);
    }
    this.reading = false;
  }

  close(): void {
    this.open = false;
    this.report = null;
  }
}
