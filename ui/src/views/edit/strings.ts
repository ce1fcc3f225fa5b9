/** Every string of the create and edit view. */

import type { ExpiryChoice } from "$lib/api/generated/ExpiryChoice";
import type { TlsOldest } from "$lib/api/generated/TlsOldest";
import type { TrustKind } from "$lib/forms/tls.svelte";

export const edit = {
  createTitle: "New replica",
  editTitle: (name: string): string => `Edit ${name}`,
  steps: { destination: "Destination", sources: "Sources", options: "Options", review: "Review" },
  stepLabel: "Steps",
  cancel: "Cancel",
  back: "Back",
  next: {
    destination: "Continue to sources",
    sources: "Continue to options",
    options: "Continue to review",
  },

  name: "Name of the replica",
  nameHelp: "How it is called in this window.",
  destinationTitle: "Destination",
  destinationHelp: "The database written to. It becomes a copy of the sources.",
  sourcesTitle: "Sources",
  sourcesHelp: "The databases copied from, 1 to 32. Several sources land in one destination.",
  addSource: "Add source",
  removeSource: "Remove",
  sourceName: "Name of the source",
  untitled: "New source",

  url: "Paste a URL",
  urlHelp:
    "Fills the fields below. redis://user:password@host:port/db, rediss:// for TLS, redis+sentinel://host,host/name for Sentinels. Parameters as at the command line: ?ca=, cert=, key=, sni=, tls-min=, compress=gzip.",
  urlCompression: "compress=gzip is for sources: the link to a destination is not compressed.",
  urlPlaceholder: "redis://…",
  fill: "Fill",
  host: "Host",
  port: "Port",
  db: "Database",
  dbSourceHelp: "Empty: all databases.",
  dbDestinationHelp: "Empty: all, same numbers.",
  username: "User",
  usernameHelp: "Empty: the default user.",
  password: "Password",
  passwordHelp: "Kept in the system's keyring only.",
  passwordRunOnlyHelp: "Kept in memory until Tributary is closed.",
  passwordOnceHelp: "For this load only; kept nowhere.",
  passwordKept: "The stored password is used.",
  change: "Change",
  keep: "Keep the stored one",
  choose: "Choose…",
  chooseFor: (label: string): string => `Choose a file: ${label}`,
  thisRunOnly: "Keep it for this run only, not in the keyring",
  tls: "Use TLS",
  throughSentinels: "Ask Sentinels where the server is",
  sentinelHosts: "Sentinels",
  sentinelHostsHelp: "host or host:port, with commas between. Asked in this order.",
  sentinelPortHelp: "Of those that name none.",
  sentinelName: "Master name",
  sentinelNameHelp:
    "As in “sentinel monitor <name>”. User, password and TLS are for the server; the Sentinels are asked without.",

  optionsTitle: "Options",
  optionsHelp: "How this replica is run. All of it can be changed later, also while it runs.",
  spoolQuota: "Spool on disk, MB",
  spoolQuotaHelp:
    "What sources send while the destination is slow or away is kept up to this size, all sources together. 0 keeps it in memory only.",
  expiryLabel: "Keys that expire",
  expiry: { follow_source: "Follow the source", exact: "Exact times" } satisfies Record<
    ExpiryChoice,
    string
  >,
  expiryHelp: {
    follow_source:
      "A key goes when its source deletes it, never earlier. Valkey 8.1 and later do it by import mode, where writes are refused (OOM) at maxmemory instead of evicting. Elsewhere expiries read 100 years later until the replica is deleted.",
    exact:
      "Keys carry the times of the source and go by the destination's clock. After an outage a key may be gone although the source has prolonged it.",
  } satisfies Record<ExpiryChoice, string>,
  askBeforeResync: "Stop and ask before everything is deleted and loaded again",
  askBeforeResyncHelp:
    "When a source can no longer go on from the checkpoint, all sources have to be loaded again. Without this it happens at once, covered by the confirmation of the first start.",
  lockDown: "Make other users of the destination read-only while it runs",
  lockDownHelp:
    "By ACL, Redis 6.0 and later: write commands are taken from every user but Tributary's own, which nobody else may be using. What each user had is recorded at the destination first and given back when the replica stops.",

  test: "Test connection",
  testAgain: "Test again",
  testing: "Testing…",
  testLabel: "What the test found",
  verdict: { ok: "in order", warning: "worth a look", problem: "problem", running: "running" },

  reviewing: "Reading the destination and the sources…",
  destination: "Destination",
  sources: "Sources",
  keys: "keys",
  createAndStart: "Create and start",
  deleteAndStart: "Delete and start",
  create: "Create without starting",
  save: "Save",
  saveAndStart: "Save and start",
  runningNote:
    "It is running: names, options and the list of sources can be changed now. Stop it to change an endpoint.",
  applyTitle: "Saving changes what runs",
  applyJoins: (names: string, n: number): string =>
    `${names} ${n === 1 ? "begins" : "begin"} to load as soon as this is saved.`,
  applyLeaves: (names: string, n: number): string =>
    n === 1
      ? `${names} is removed with its checkpoint. What came from it stays at the destination.`
      : `${names} are removed with their checkpoints. What came from them stays at the destination.`,
  applyGoesOn: "The other sources go on from their checkpoints after a moment.",
  applyOptions: "The options apply after a moment: all sources go on from their checkpoints.",
  removedTitle: "Sources that are removed",
  checkTitle: "Check",
  checkNow: "Check the servers",
  checkHelp:
    "Permissions, versions, memory, buffers and clocks of every server. Nothing is changed.",
  reviewAgain: "Read again",
};

export const tls = {
  options: "TLS options",
  trusted: "What is trusted",
  trust: {
    system: "This system's authorities",
    file: "A CA file",
    certificate: "A pasted certificate",
  } satisfies Record<TrustKind, string>,
  systemHelp: "The server's certificate comes from an authority that this machine trusts.",
  path: "CA file",
  pathHelp: "PEM, one authority or several. No other is trusted for this endpoint.",
  pem: "Certificate",
  pemHelp: "PEM: the server's own, whatever name it has, or that of its authority.",
  pemPlaceholder: "-----BEGIN CERTIFICATE-----",
  holds: "What the text holds",
  serverName: "Server name (SNI)",
  serverNameHelp: "Only where the certificate names another host than the address.",
  oldest: "Oldest version",
  version: (version: TlsOldest): string => `TLS ${version}`,
  atLeast: (version: TlsOldest): string => `TLS ${version} or later`,
  certificate: "Client certificate",
  certificateHelp: "PEM, for servers that ask for one (mutual TLS).",
  key: "Key of the client certificate",
  keyHelp: "PEM: PKCS#8, PKCS#1 or SEC 1.",
  passphrase: "Passphrase of the key",
  passphraseHelp: "Empty: not encrypted. Kept in the keyring only.",
  passphraseKept: "The stored passphrase is used.",
  insecure: "Skip verification",
  insecureHelp:
    "Any certificate is accepted: whoever stands between can read and change all of it, passwords too.",
};

export const certificates = {
  show: "Show certificate…",
  title: (address: string): string => `Certificates of ${address}`,
  reading: "Asking the server…",
  close: "Close the certificates",
  none: "The server showed no certificate.",
  own: "The server's own",
  authority: "Authority",
  other: "Sent along",
  subject: "Subject",
  issuer: "Issuer",
  selfSigned: "(itself)",
  names: "Names",
  noNames: "none",
  valid: "Valid",
  expired: "Expired",
  early: "Not valid yet",
  fingerprint: "SHA-256",
  copy: "Copy fingerprint",
  trust: "Trust just this certificate",
  trustHelp: "No other certificate is accepted at this endpoint, whatever name this one has.",
  isTrusted: "Just this one is trusted",
  by: (issuer: string): string => `issued by ${issuer}`,
  until: (day: string): string => `valid until ${day}`,
};

export const compression = {
  label: "Compress the link (gzip)",
  help: "Needs a relay beside the source. It costs processor time at the relay and here, and pays where the network is slower than the compressor. Snapshots gain most with rdbcompression no at the source: what Redis has compressed, gzip hardly makes smaller.",
  how: "Beside the source:",
  command: "tributary relay --listen 0.0.0.0:7379 --upstream 127.0.0.1:6379",
  address: "Host and port above are the relay's then.",
  measured: (ratio: string, relay: string, here: string): string =>
    `Measured: ${ratio}. Of one core it takes ${relay} at the relay and ${here} here.`,
};
