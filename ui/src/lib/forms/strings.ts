/** What a form says about a field. */

export const errors = {
  nameMissing: "Give it a name.",
  nameLong: "A name has at most 64 characters.",
  nameTaken: (name: string): string => `There already is a replica called ${name}.`,
  sourceNameTaken: (name: string): string => `Another source is called ${name}.`,
  hostMissing: "Enter a host name or an address.",
  hostForm: "A host name or an address only: no spaces, no slashes.",
  sentinelHosts: "Enter the Sentinels: host or host:port, with commas between.",
  sentinelName: "Name the master that the Sentinels watch.",
  manyHosts: "More than one host is for Sentinels: choose to ask them below.",
  spoolQuota: "A whole number of MB, or 0 for none on disk.",
  port: "A port is a number from 1 to 65535.",
  db: "A database is a number from 0, or empty for all databases.",
  sameDatabase: (name: string): string =>
    `${name} already copies from this database. A database can be a source once.`,
  ownSource: "This is the destination itself. A database cannot be its own source.",
  pathMissing: "Choose a file, or enter its path.",
  pathRelative: "Enter the whole path, from / on.",
  pemMissing: "Paste a certificate.",
  pemForm: "A certificate in PEM form begins with -----BEGIN CERTIFICATE-----.",
  pemKey: "This holds a private key. Paste the certificate alone.",
  certificateMissing: "Choose the certificate that belongs to the key.",
  keyMissing: "Choose the key that belongs to the certificate.",
  whichDb: "The destination is one database: say which one of the file goes there.",
  noSource: "A replica needs at least one source.",
  tooMany: (limit: number): string =>
    `A replica has at most ${limit} sources. Make a second replica for the others.`,
};
