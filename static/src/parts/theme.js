// Light, dark or as the machine has it. Remembered in a cookie, so that the server writes it into the page and nothing flashes.

const YEAR_SECONDS = 31_536_000;
const THEMES = ["auto", "light", "dark"];

function applyTheme(root, theme) {
  if (theme === "auto") root.removeAttribute("data-bs-theme");
  else root.setAttribute("data-bs-theme", theme);
}

function markChosen(document, theme) {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}

export function startTheme(document) {
  document.addEventListener("click", (event) => {
    const theme = event.target.closest?.("[data-theme-choice]")?.dataset.themeChoice;
    if (!THEMES.includes(theme)) return;
    document.cookie = `theme=${theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
    applyTheme(document.documentElement, theme);
    markChosen(document, theme);
  });
}
