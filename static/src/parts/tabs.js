// Tabs after the ARIA pattern: arrow keys move, Home and End jump, the chosen panel alone is shown.

/** Index of the tab that `key` leads to, or -1 when the key means nothing here. */
export function tabAfter(key, index, count) {
  if (key === "ArrowRight") return (index + 1) % count;
  if (key === "ArrowLeft") return (index - 1 + count) % count;
  if (key === "Home") return 0;
  return key === "End" ? count - 1 : -1;
}

function chooseTab(tab) {
  for (const other of tab.closest("[role=tablist]").querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  tab.dispatchEvent(new CustomEvent("tab:chosen", { bubbles: true }));
}

export function startTabs(document) {
  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.("[role=tab]");
    if (tab) chooseTab(tab);
  });
  document.addEventListener("keydown", (event) => {
    const tab = event.target.closest?.("[role=tab]");
    if (!tab) return;
    const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")];
    const index = tabAfter(event.key, tabs.indexOf(tab), tabs.length);
    if (index < 0) return;
    event.preventDefault();
    tabs[index].focus();
    chooseTab(tabs[index]);
  });
}
