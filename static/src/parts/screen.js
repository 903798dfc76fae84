// Makes the xterm.js screen with its add-ons. Must not know of sockets.
import { ClipboardAddon } from "@xterm/addon-clipboard";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { PALETTE } from "./palette.js";

const FONT = '"JetBrains Mono Variable", ui-monospace, Menlo, Consolas, monospace';
const FONT_SIZE_PX = 14;

function openLink(event, address) {
  window.open(address, "_blank", "noopener,noreferrer");
}

// A program in the lab may put text on the clipboard, as over ssh, but never read what is there.
const WRITE_ONLY = { readText: () => "", writeText: (selection, text) => navigator.clipboard?.writeText(text) };

/** An open screen in `place`, its `finder` and its `fit()`; the font is loaded first, since the size of a cell is measured once. */
export async function openScreen(place, { label, screenReader }) {
  await document.fonts.load(`${FONT_SIZE_PX}px ${FONT}`).catch(() => undefined);
  const screen = new Terminal({
    allowProposedApi: true,
    cursorBlink: true,
    fontFamily: FONT,
    fontSize: FONT_SIZE_PX,
    lineHeight: 1.15,
    minimumContrastRatio: 4.5,
    screenReaderMode: screenReader,
    scrollback: 5000,
    theme: PALETTE,
  });
  const fit = new FitAddon();
  const finder = new SearchAddon();
  for (const addon of [fit, finder, new Unicode11Addon(), new WebLinksAddon(openLink), new ClipboardAddon(undefined, WRITE_ONLY)]) {
    screen.loadAddon(addon);
  }
  screen.unicode.activeVersion = "11";
  screen.open(place);
  screen.textarea?.setAttribute("aria-label", label);
  return { screen, finder, fit: () => place.clientHeight > 0 && fit.fit() };
}
