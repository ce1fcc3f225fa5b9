/** What a form says about a field. */

export const errors = {
  nameMissing: "Give it a name.",
  nameLong: "A name has at most 64 characters.",
  nameTaken: (name: string): string => `There already is a replica called ${name}.`,
  sourceNameTaken: (name: string): string => `Another source is called ${name}.`,
  hostMissing: "Enter a host name or an address.",
  hostForm: "A host name or an address only: no spaces, no slashes.",
  hostList: "One host. Several are Sentinels: enter the name of the primary they watch below.",
  sentinelsForm: "Sentinels as host or host:port, separated by commas.",
  spoolQuota: "A number of MiB, or 0 to keep it in memory.",
  port: "A port is a number from 1 to 65535.",
  db: "A database is a number from 0, or empty for all databases.",
  sameDatabase: (name: string): string =>
    `${name} already copies from this database. A database can be a source once.`,
  ownSource: "This is the destination itself. A database cannot be its own source.",
  noSource: "A replica needs at least one source.",
  tooMany: (limit: number): string =>
    `A replica has at most ${limit} sources. Make a second replica for the others.`,
};
