// The guard runs before any module that touches Intl is even loaded, hence the dynamic import.
import { guardLanguage } from "./lib/format/language";

guardLanguage(navigator);
const { start } = await import("./start");
await start();
