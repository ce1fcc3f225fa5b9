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
  summary: (total: string, counts: Record<"synced" | "syncing" | "paused" | "stopped", number>) =>
    [
      total,
      `${counts.synced} synced`,
      `${counts.syncing} syncing`,
      ...(counts.paused > 0 ? [`${counts.paused} paused`] : []),
      `${counts.stopped} stopped`,
    ].join(" · "),
  replica: "replica",
  replicas: "replicas",
  emptyTitle: "Keep one Redis database in step with others",
  empty:
    "A replica is one destination and the sources it copies from: first a snapshot, then every write as it happens.",
  create: "Create a replica",
  loadFile: "Load a file…",
  demo: "Try the demo",
  demoStarting: "Starting the demo…",
  demoHelp: "Starts two local Redis servers with live traffic and a replica between them.",
};
