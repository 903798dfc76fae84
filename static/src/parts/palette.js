// The terminal's colours. The screen is dark in both themes, as the shells' own colours expect.

export const PALETTE = {
  background: "#14181a",
  foreground: "#dfe5e4",
  cursor: "#5eead4",
  cursorAccent: "#14181a",
  selectionBackground: "#2f5f5a",
  black: "#23292c",
  red: "#f27d72",
  green: "#7fd19b",
  yellow: "#e6c26a",
  blue: "#7fb2f0",
  magenta: "#d39ae8",
  cyan: "#6fd3cf",
  white: "#cfd6d5",
  brightBlack: "#6f7a7d",
  brightRed: "#ff9d93",
  brightGreen: "#9fe8b7",
  brightYellow: "#f6da92",
  brightBlue: "#a5cbfa",
  brightMagenta: "#e6bdf5",
  brightCyan: "#97ebe7",
  brightWhite: "#ffffff",
};

/** CSS colours by SGR number: 30 to 37 and 90 to 97. */
export const SGR_COLOURS = (() => {
  const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
  const bright = (name) => `bright${name[0].toUpperCase()}${name.slice(1)}`;
  const entries = names.flatMap((name, index) => [
    [30 + index, PALETTE[name === "black" ? "brightBlack" : name]],
    [90 + index, PALETTE[bright(name)]],
  ]);
  return new Map(entries);
})();
