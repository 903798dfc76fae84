// The bell of the top bar: opening it counts its notices as read. Without this script the page of all notices has a button.

export function startBell(document, htmx) {
  // "toggle" does not bubble, so it is caught on its way down.
  document.addEventListener(
    "toggle",
    (event) => {
      const bell = event.target;
      if (bell.id !== "bell" || !bell.open || !bell.querySelector(".bell-number")) return;
      htmx.ajax("POST", bell.dataset.seenUrl, { source: bell, swap: "none" });
    },
    true,
  );
}
