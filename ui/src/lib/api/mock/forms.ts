/** What the mock says of a form. Never part of the product. */

import type { ApiError } from "../generated/ApiError";
import type { EndpointDraft } from "../generated/EndpointDraft";

export function refusal(code: string, field: string | null): ApiError {
  return code === "unreachable"
    ? {
        code,
        message: "down:6379 does not answer: connection refused.",
        hint: "See whether the server runs and whether a firewall stands in the way.",
        field,
      }
    : { code, message: "The destination holds 4,112,930 keys.", hint: null, field };
}

export function parse(text: string): Promise<EndpointDraft> {
  const url = URL.parse(text);
  if (!url || !/^rediss?:$/.test(url.protocol)) {
    const error: ApiError = {
      code: "invalid",
      message: "A URL starts with redis:// or rediss:// and names a host.",
      hint: null,
      field: "url",
    };
    return Promise.reject(error);
  }
  const db = url.pathname.slice(1);
  return Promise.resolve({
    host: url.hostname,
    port: Number(url.port || 6379),
    sentinel: null,
    tls: url.protocol === "rediss:",
    username: decodeURIComponent(url.username) || null,
    db: db === "" ? null : Number(db),
    password: url.password
      ? { kind: "set", value: decodeURIComponent(url.password), thisRunOnly: false }
      : { kind: "none" },
  });
}
