// Boosted links: after the page was exchanged, the focus goes to its content and screen readers hear its title.
import { announce } from "./announce.js";

export function startNavigation(document) {
  let isBoosted = false;
  document.addEventListener("htmx:beforeSwap", (event) => {
    isBoosted = event.detail.boosted === true;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!isBoosted || event.detail.target !== document.body) return;
    isBoosted = false;
    document.getElementById("main")?.focus({ preventScroll: true });
    announce(document.title);
  });
}
