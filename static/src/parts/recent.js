// Remembers the newest live message of each fragment for a short time. Pure: the caller passes the clock in.
// A page that was rendered before a change and put in place after it would otherwise show the old state for ever.

const KEEP_MS = 10_000;

export class RecentMessages {
  #messages = new Map();

  add(key, message, nowMs) {
    this.#messages.delete(key);
    this.#messages.set(key, { message, atMs: nowMs });
    this.#forget(nowMs);
  }

  /** The remembered messages, oldest first. */
  list(nowMs) {
    this.#forget(nowMs);
    return [...this.#messages.values()].map(({ message }) => message);
  }

  #forget(nowMs) {
    for (const [key, { atMs }] of this.#messages) {
      if (nowMs - atMs > KEEP_MS) this.#messages.delete(key);
    }
  }
}

/** What a message is about: a later one about the same takes its place. Toasts are about nothing that stays. */
export function messageKey({ type, id, to, html = "" }) {
  if (type === "replace" || type === "remove") return id;
  return type === "append" ? `${to} ${/\bid="([^"]*)"/.exec(html)?.[1] ?? ""}` : null;
}
