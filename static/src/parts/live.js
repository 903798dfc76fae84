// The page's one live connection: fragments that the server pushes take their place, toasts are shown.
// Must not decide what a fragment looks like; the server renders it.
import { announceChange } from "./announce.js";
import { rememberFocus } from "./focus.js";
import { RecentMessages, messageKey } from "./recent.js";
import { Socket, SIGNED_OUT } from "./socket.js";
import { showToast } from "./toasts.js";

const GRACE_MS = 1500;

function replaceFragment(htmx, target, html) {
  const before = target.cloneNode(false);
  const restoreFocus = rememberFocus(target);
  htmx.swap(target, html, { swapStyle: "outerHTML", swapDelay: 0, settleDelay: 0 });
  const after = document.getElementById(before.id);
  restoreFocus(after);
  announceChange(before, after);
  after?.dispatchEvent(new CustomEvent("live:replaced", { bubbles: true }));
}

function appendFragment(htmx, list, html) {
  const pattern = document.createElement("template");
  pattern.innerHTML = html;
  const present = document.getElementById(pattern.content.firstElementChild?.id || " ");
  if (present) replaceFragment(htmx, present, html);
  else htmx.swap(list, html, { swapStyle: list.dataset.liveOrder === "newest" ? "afterbegin" : "beforeend", swapDelay: 0, settleDelay: 0 });
}

const HANDLERS = {
  replace(htmx, message) {
    const target = document.getElementById(message.id);
    // What somebody is writing into stays until they have sent it or let it go.
    if (target && !target.hasAttribute("data-editing")) replaceFragment(htmx, target, message.html);
  },
  remove(htmx, message) {
    const target = document.getElementById(message.id);
    target?.dispatchEvent(new CustomEvent("live:removed", { bubbles: true }));
    target?.remove();
  },
  append(htmx, message) {
    const list = document.getElementById(message.to);
    if (list) appendFragment(htmx, list, message.html);
  },
  toast(htmx, message) {
    showToast(message.level, message.text, message.html, htmx);
  },
};

/** Fetch the page again and exchange what it marks as live: what was pushed while the connection was cut is not lost. */
async function catchUp(htmx) {
  const response = await fetch(location.href, { credentials: "same-origin" });
  if (!response.ok || response.redirected) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const present of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(present.id);
    if (fresh && fresh.outerHTML !== present.outerHTML) replaceFragment(htmx, present, fresh.outerHTML);
  }
}

export function startLive(document, htmx) {
  const path = document.body.dataset.live;
  if (!path) return;
  const banner = () => document.getElementById("offline");
  const recent = new RecentMessages();
  let timer = 0;
  let wasLost = false;
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== document.body) return;
    for (const message of recent.list(performance.now())) HANDLERS[message.type](htmx, message);
  });
  new Socket(path, {
    open() {
      clearTimeout(timer);
      banner().hidden = true;
      document.documentElement.dataset.live = "connected";
      if (wasLost) catchUp(htmx);
      wasLost = false;
    },
    message(data) {
      const message = JSON.parse(data);
      const key = messageKey(message);
      if (key !== null) recent.add(key, message, performance.now());
      HANDLERS[message.type]?.(htmx, message);
    },
    lost() {
      delete document.documentElement.dataset.live;
      clearTimeout(timer);
      timer = setTimeout(() => (banner().hidden = false), GRACE_MS);
      wasLost = true;
    },
    final(code) {
      if (code === SIGNED_OUT) location.reload();
    },
  });
}
