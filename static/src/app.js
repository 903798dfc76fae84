// Entry point: starts what every page needs and loads terminal and log when a page shows one.
// Must not hold behaviour of its own.
import htmx from "htmx.org/dist/htmx.esm.js";
import { startBell } from "./parts/bell.js";
import { startConfirm } from "./parts/confirm.js";
import { startCsrf } from "./parts/csrf.js";
import { startLab } from "./parts/lab.js";
import { startLive } from "./parts/live.js";
import { startMenu } from "./parts/menu.js";
import { startNavigation } from "./parts/navigation.js";
import { startQuotas } from "./parts/quotas.js";
import { startRefusal } from "./parts/refusal.js";
import { startTabs } from "./parts/tabs.js";
import { startTheme } from "./parts/theme.js";
import { startTimes } from "./parts/times.js";
import { startToasts } from "./parts/toasts.js";
import { startUsage } from "./parts/usage.js";
import { startWorkloads } from "./parts/workloads.js";

startTheme(document);
startCsrf(document);
startConfirm(document);
startMenu(document);
startBell(document, htmx);
startQuotas(document);
startRefusal(document, htmx);
startTabs(document);
startTimes(htmx);
startToasts(document, htmx);
startLab(document, htmx);
startNavigation(document);
startLive(document, htmx);
startUsage(document, htmx);
startWorkloads(document, htmx);
