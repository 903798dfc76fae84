// Short messages in the corner of the page: those of the server's page, of live messages and of failed requests.
import { text } from "./text.js";

const STAY_MS = 7000;
const REFUSED = 422;
const LEVELS = new Set(["success", "info", "warning", "error"]);

function dismissSoon(toast) {
  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => toast.remove(), STAY_MS);
  };
  const hold = () => clearTimeout(timer);
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("pointerleave", wait);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("focusout", wait);
  if (toast.dataset.level !== "error") wait();
}

/** Show `message`; an error stays until it is closed. The text is set as text, never as markup; `buttons` are the site's own. */
export function showToast(level, message, buttons = "", htmx = null) {
  const toast = document.getElementById("toast-pattern").content.firstElementChild.cloneNode(true);
  toast.dataset.level = LEVELS.has(level) ? level : "info";
  toast.querySelector("[data-toast-text]").textContent = message;
  if (buttons) toast.querySelector("[data-toast-text]").insertAdjacentHTML("beforeend", buttons);
  document.getElementById("toasts").append(toast);
  htmx?.process(toast);
  dismissSoon(toast);
  return toast;
}

function showFailure(event) {
  const status = event.detail.xhr?.status ?? 0;
  if (status === REFUSED) return; // the answer brings its own words as a "toast" event
  if (status === 401 || status === 403) showToast("error", text("refused"));
  else if (status === 404) showToast("error", text("gone"));
  else showToast("error", text(status ? "failed" : "unreachable"));
}

export function startToasts(document, htmx) {
  document.addEventListener("click", (event) => {
    event.target.closest?.("[data-toast-close]")?.closest(".toast-note").remove();
  });
  document.addEventListener("toast", (event) => showToast(event.detail.level, event.detail.text));
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful } = event.detail;
    if (successful && elt.matches("[data-remedy]")) elt.closest(".toast-note")?.remove();
  });
  document.addEventListener("htmx:responseError", showFailure);
  document.addEventListener("htmx:sendError", showFailure);
  htmx.onLoad((content) => {
    for (const toast of content.querySelectorAll?.(".toast-note") ?? []) dismissSoon(toast);
  });
}
