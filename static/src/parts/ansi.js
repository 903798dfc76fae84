// Turns a log line with terminal escapes into coloured pieces of text. Pure; what is not a colour is left out.

// Only CSI, OSC and single escapes; other control characters carry no text.
const ESCAPE = /\x1b\[([0-9;]*)m|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]/g;

function applyCodes(style, codes) {
  let next = style;
  for (const code of codes.split(";").map(Number)) {
    if (code === 0) next = {};
    else if (code === 1) next = { ...next, bold: true };
    else if (code === 22) next = { ...next, bold: false };
    else if (code === 39) next = { ...next, colour: undefined };
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next = { ...next, colour: code };
    else if (code === 38 || code === 48) return next; // 256 colours: what follows are not codes
  }
  return next;
}

/** Text as a screen shows it: after a carriage return the line starts again, a backspace takes one character. */
export function settleLine(line) {
  const last = line.replace(/\r+$/, "").split("\r").pop();
  let settled = last;
  while (/[^\x08]\x08/.test(settled)) settled = settled.replace(/[^\x08]\x08/, "");
  return settled;
}

/** Pieces {text, colour, bold} of a line; `colour` is an SGR number or undefined. */
export function parseLine(line) {
  const pieces = [];
  let style = {};
  let from = 0;
  const push = (text) => text && pieces.push({ text, colour: style.colour, bold: style.bold === true });
  const settled = settleLine(line);
  for (const match of settled.matchAll(ESCAPE)) {
    push(settled.slice(from, match.index));
    if (match[1] !== undefined) style = applyCodes(style, match[1]);
    from = match.index + match[0].length;
  }
  push(settled.slice(from));
  return pieces;
}
