/** The text behind "Copy details". It is made of what is shown, which holds no secret. */

import type { FailureView } from "$lib/api/generated/FailureView";
import { domain } from "./strings";

export function failureDetails(failure: FailureView, about: string, version: string): string {
  return [
    `${about}: ${failure.message}`,
    `endpoint: ${failure.endpoint}`,
    `kind: ${failure.kind}`,
    `since: ${new Date(failure.since).toISOString()}`,
    domain.action[failure.action],
    failure.hint,
    `Tributary ${version}`,
  ].join("\n");
}
