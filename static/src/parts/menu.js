// Menus made of <details>: closed by a click elsewhere, by Escape and after a choice. They open without any script.

const OPEN = "details.menu[open]";

function closeOthers(document, target) {
  for (const menu of document.querySelectorAll(OPEN)) {
    if (!menu.contains(target)) menu.open = false;
  }
}

export function startMenu(document) {
  document.addEventListener("click", (event) => closeOthers(document, event.target));
  document.addEventListener("focusin", (event) => closeOthers(document, event.target));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.(OPEN);
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
