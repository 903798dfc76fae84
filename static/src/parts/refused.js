// What the engine refused to a command in a lab's terminal: a note on the newest refusal, with what would help, while the lab's page
// is open. It goes when there is room again or somebody closes it, and does not come back at once by the next of many refusals.
import { leftOf } from "./figures.js";
import { showToast } from "./toasts.js";

const LOOKING = "[data-refusals-of]";
const READING_MS = 6000;
const QUIET_MS = 60000;
const SOME = 20; // where nobody can tell how much is needed, a twentieth of the limit is room again

/** Whether what was refused would fit now; false where nobody tells. */
export function hasRoom(needed, figure) {
  if (!figure || figure.used === null) return false;
  if (figure.limit === null) return true;
  const left = leftOf(figure);
  return needed > 0 ? left >= needed : left > figure.limit / SOME;
}

/** Remembers which notes somebody closed, by key, for as long as they are not to come back. */
export class Closed {
  #at = new Map();

  add(key, now) {
    this.#at.set(key, now);
  }

  has(key, now) {
    const at = this.#at.get(key);
    if (at !== undefined && now - at >= QUIET_MS) this.#at.delete(key);
    return this.#at.has(key);
  }
}

export class RefusedNotes {
  #htmx;
  #closed = new Closed();

  constructor(document, htmx) {
    this.#htmx = htmx;
    document.addEventListener("click", (event) => {
      const note = event.target.closest?.("[data-toast-close]")?.closest("[data-terminal-refusal]");
      if (note) this.#closed.add(note.dataset.terminalRefusal, performance.now());
    });
  }

  /** The tenant whose refusals the page shows, or "". */
  static watched(document) {
    return document.querySelector(LOOKING)?.dataset.refusalsOf ?? "";
  }

  /** A lab that does not run tells in its own head why it was refused. */
  show(document, { tenant, resource, needed, text, html }) {
    const key = `${tenant} ${resource}`;
    const stage = document.querySelector(LOOKING);
    if (stage?.dataset.state !== "running" || this.#closed.has(key, performance.now())) return;
    const present = document.querySelector(`[data-terminal-refusal="${CSS.escape(key)}"]`);
    if (present?.dataset.text === text) return;
    for (const older of document.querySelectorAll("[data-terminal-refusal]")) older.remove(); // two would cover a phone
    const note = showToast("error", text, html, this.#htmx);
    Object.assign(note.dataset, { terminalRefusal: key, tenant, resource, needed, text, since: performance.now() });
  }

  /** Take away what would fit now, but not before somebody could read it. */
  clear(document, figures) {
    for (const note of document.querySelectorAll("[data-terminal-refusal]")) {
      const { tenant, resource, needed, since } = note.dataset;
      if (!hasRoom(Number(needed), figures.get(tenant, resource))) continue;
      const wait = Number(since) + READING_MS - performance.now();
      if (wait <= 0) note.remove();
      else setTimeout(() => this.clear(document, figures), wait + 1);
    }
  }
}
