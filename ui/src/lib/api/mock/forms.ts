/** What the mock says of a form. Never part of the product. */

import type { ApiError } from "../generated/ApiError";
import type { EndpointDraft } from "../generated/EndpointDraft";
import type { TlsDraft } from "../generated/TlsDraft";

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

/** Parameters: `?ca=&cert=&key=&sni=&tls-min=&insecure=true&compress=gzip`. */
export function parse(text: string): Promise<EndpointDraft> {
  const url = URL.parse(text);
  if (!url || !/^rediss?:$/.test(url.protocol)) {
    return refuse("A URL starts with redis:// or rediss:// and names a host.");
  }
  const values = url.searchParams;
  const known = ["ca", "cert", "key", "sni", "tls-min", "insecure"];
  const secure = url.protocol === "rediss:";
  for (const name of values.keys()) {
    if (name === "compress") continue;
    if (!known.includes(name)) return refuse(`?${name} is not understood.`);
    if (!secure) return refuse(`?${name} is for TLS: write rediss://.`);
  }
  if (values.has("cert") !== values.has("key")) return refuse("?cert= and ?key= belong together.");
  const db = url.pathname.slice(1);
  return Promise.resolve({
    host: url.hostname,
    port: Number(url.port || 6379),
    sentinel: null,
    tls: secure ? tlsOf(values) : null,
    compression: values.get("compress") === "gzip",
    username: decodeURIComponent(url.username) || null,
    db: db === "" ? null : Number(db),
    password: url.password
      ? { kind: "set", value: decodeURIComponent(url.password), thisRunOnly: false }
      : { kind: "none" },
  });
}

function tlsOf(values: URLSearchParams): TlsDraft {
  const [ca, certificate, key] = [values.get("ca"), values.get("cert"), values.get("key")];
  return {
    trust: ca === null ? { kind: "system" } : { kind: "file", path: ca },
    serverName: values.get("sni"),
    identity:
      certificate === null || key === null
        ? null
        : { certificate, key, passphrase: { kind: "none" } },
    oldest: values.get("tls-min") === "1.3" ? "1.3" : "1.2",
    insecure: values.get("insecure") === "true",
  };
}

function refuse(message: string): Promise<never> {
  const error: ApiError = { code: "invalid", message, hint: null, field: "url" };
  return Promise.reject(error);
}
