// Pages exchanged without a reload: the focus goes to the new content and screen readers hear its title.
import { announce } from "./announce.js";

export function startNavigation(document) {
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target !== document.body) return;
    document.getElementById("main")?.focus({ preventScroll: true });
    announce(document.title);
  });
}
