// What a terminal says to the server and hears from it, after the terminal protocol. Pure: no socket, no screen.

/** The message that tells the shell how large its screen is. */
export function resizeMessage(columns, rows) {
  return JSON.stringify({ type: "resize", columns, rows });
}

/** A text frame of the server as {type, …}; anything that is not one is {type: "unknown"}. */
export function parseMessage(data) {
  try {
    const message = JSON.parse(data);
    return message && typeof message.type === "string" ? message : { type: "unknown" };
  } catch {
    return { type: "unknown" };
  }
}

/** The control character of a letter key (Ctrl and "c" is 0x03), or the text unchanged where there is none. */
export function withControl(text) {
  const code = text.length === 1 ? text.toUpperCase().charCodeAt(0) : 0;
  return code >= 0x40 && code <= 0x5f ? String.fromCharCode(code & 0x1f) : text;
}

const ENCODER = new TextEncoder();
export const encodeText = (text) => ENCODER.encode(text);

/** Bytes of a string in which each character stands for one byte, as mouse reports come. */
export function encodeBinary(text) {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff);
}
