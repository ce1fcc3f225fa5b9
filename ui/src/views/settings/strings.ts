/** Every string of the settings. */

export const settings = {
  title: "Settings",
  theme: "Colours",
  themes: { system: "As the desktop", light: "Light", dark: "Dark" },
  onClose: "When the window is closed while a replica runs",
  closing: {
    ask: "Ask",
    tray: "Keep running in the tray",
    stop: "Stop the replicas and quit",
  },
  notifications: "Notifications",
  notify: "Tell me on the desktop when a sync stops",
  version: (version: string): string => `Tributary ${version}`,
};
