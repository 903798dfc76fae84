// A WebSocket that comes back by itself after a cut. Knows nothing of what is said over it.
import { delayBefore } from "./backoff.js";

export const SIGNED_OUT = 4401;
export const NOT_FOUND = 4404;

/** Whether the server closed for a reason that trying again does not mend. */
export function isFinal(code) {
  return code === SIGNED_OUT || code === NOT_FOUND;
}

/** The address of a WebSocket path on the host that served the page. */
export function socketAddress(path, location) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}${path}`;
}

export class Socket {
  #path;
  #on;
  #socket = null;
  #timer = 0;
  #attempt = 0;
  #closed = false;

  /** `on` has open(), message(data), lost() and final(code); each is optional. */
  constructor(path, on) {
    this.#path = path;
    this.#on = on;
    globalThis.addEventListener("online", this.#wake);
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(data) {
    if (this.isOpen) this.#socket.send(data);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    globalThis.removeEventListener("online", this.#wake);
    this.#socket?.close(1000);
  }

  #connect() {
    const socket = new WebSocket(socketAddress(this.#path, location));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#attempt = 0;
      this.#on.open?.();
    };
    socket.onmessage = (event) => this.#closed || this.#on.message?.(event.data);
    socket.onclose = (event) => this.#ended(event.code);
    this.#socket = socket;
  }

  #ended(code) {
    if (this.#closed) return;
    if (isFinal(code)) {
      this.close();
      this.#on.final?.(code);
      return;
    }
    this.#on.lost?.();
    this.#timer = setTimeout(() => this.#connect(), delayBefore(this.#attempt++, Math.random()));
  }

  #wake = () => {
    if (this.#closed || this.#socket.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.#timer);
    this.#connect();
  };
}
