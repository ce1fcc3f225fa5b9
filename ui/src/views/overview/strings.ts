/** Every string of the overview. */

export const overview = {
  title: "Overview",
  newReplica: "New replica",
  tableLabel: "Replicas",
  columns: {
    status: "Status",
    name: "Replica",
    inStep: "In step",
    lag: "Worst lag",
    trend: "Last minute",
    writes: "Writes/s",
  },
  summary: (total: string, synced: number, syncing: number, stopped: number): string =>
    `${total} · ${synced} synced · ${syncing} syncing · ${stopped} stopped`,
  replica: "replica",
  replicas: "replicas",
  emptyTitle: "Keep one Redis database in step with others",
  empty:
    "A replica is one destination and the sources it copies from: first a snapshot, then every write as it happens.",
  create: "Create a replica",
  demo: "Try the demo",
  demoStarting: "Starting the demo…",
  demoHelp: "Starts two local Redis servers with live traffic and a replica between them.",
};
