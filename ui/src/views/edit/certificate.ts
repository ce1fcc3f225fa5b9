/** What a certificate's dates mean now. */

import type { CertificateView } from "$lib/api/generated/CertificateView";

export type Validity = "valid" | "expired" | "early";

export function validityOf(certificate: CertificateView, now: number): Validity {
  if (now > certificate.notAfter) return "expired";
  return now < certificate.notBefore ? "early" : "valid";
}
