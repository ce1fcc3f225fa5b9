/** Every string of the frame around the views. */

export const frame = {
  product: "Tributary",
  navigation: "Main",
  overview: "Overview",
  replicas: "Replicas",
  settings: "Settings",
  newReplica: "New replica",
  loadFile: "Load a file",
  loadRuns: "…",
  loadEnds: { done: "done", stopped: "stopped", failed: "failed" },
  find: "Find",
  starting: "Starting…",
  dismiss: "Dismiss",

  keyringTitle: "Passwords cannot be kept",
  keyringRunOnly: "Passwords you enter now can be kept for this run only.",

  resumeTitle: (names: string): string => `${names} ran when Tributary was closed.`,
  resumeText: "They can go on from where they were; nothing is deleted.",
  resumeTextOne: "It can go on from where it was; nothing is deleted.",
  resume: "Go on",
  leave: "Leave stopped",

  closeTitle: (running: string): string => `${running} running`,
  replicaRuns: "replica is",
  replicasRun: "replicas are",
  closeText:
    "In the tray the replicas stay in step and the window comes back from there. Stopping keeps the place: they go on from it later.",
  closeLoadingTitle: "A file is being loaded",
  closeLoading:
    "A file is being loaded. Quitting stops that too, and its destination stays incomplete; in the tray it goes on.",
  closeTray: "Keep running in the tray",
  closeStop: "Stop and quit",
  closeCancel: "Cancel",
  closeRemember: "Do this from now on",

  paletteTitle: "Find",
  palettePlaceholder: "A replica or an action",
  paletteEmpty: "Nothing of that name.",
  kinds: { replica: "replica", action: "action" },
  tryDemo: "Try the demo",
  stopReplica: (name: string): string => `Stop ${name}`,
  pauseReplica: (name: string): string => `Pause ${name}`,
  resumeReplica: (name: string): string => `Resume ${name}`,
  startReplica: (name: string): string => `Start ${name}`,

  announce: (name: string, status: string): string => `${name}: ${status}`,
};
