// <atelier-terminal>: the screen of a lab's shell over a WebSocket that comes back to the same shell after a cut.
import { clipboardAction, copySelection, pasteInto } from "./clipboard.js";
import { openScreen } from "./screen.js";
import { SearchField } from "./search.js";
import { encodeBinary, encodeText, parseMessage, resizeMessage, withControl } from "./session.js";
import { NOT_FOUND, Socket } from "./socket.js";
import { text } from "./text.js";

const SETTING = "atelier-screen-reader";

export class TerminalView extends HTMLElement {
  static observedAttributes = ["state"];
  #screen = null;
  #fit = () => undefined;
  #search = null;
  #socket = null;
  #watcher = null;
  #isControlHeld = false;
  #buttons = {
    copy: () => copySelection(this.#screen),
    paste: () => pasteInto(this.#screen),
    find: () => this.#search.open(),
    speak: () => this.#toggleScreenReader(),
    again: () => this.#connect(),
    control: () => this.#holdControl(!this.#isControlHeld),
  };

  async connectedCallback() {
    const place = this.querySelector("[data-screen]");
    const screenReader = localStorage.getItem(SETTING) === "on";
    const opened = await openScreen(place, { label: this.dataset.label, screenReader });
    if (!this.isConnected) {
      opened.screen.dispose();
      return;
    }
    this.#screen = opened.screen;
    this.#fit = opened.fit;
    this.#search = new SearchField(this.querySelector("[data-search]"), opened);
    this.#wire(place, screenReader);
    this.#follow();
  }

  disconnectedCallback() {
    this.#disconnect();
    this.#watcher?.disconnect();
    this.#screen?.dispose();
    this.#screen = null;
  }

  attributeChangedCallback(name, before, after) {
    if (!this.#screen || before === after) return;
    this.#follow();
    this.#takeFocus();
  }

  #wire(place, screenReader) {
    const screen = this.#screen;
    screen.onData((data) => this.#type(data));
    screen.onBinary((data) => this.#socket?.send(encodeBinary(data)));
    screen.onResize(({ cols, rows }) => this.#socket?.send(resizeMessage(cols, rows)));
    screen.attachCustomKeyEventHandler((event) => this.#key(event));
    this.#watcher = new ResizeObserver(() => this.#fit());
    this.#watcher.observe(place);
    this.#mark("speak", screenReader);
    this.addEventListener("click", (event) => this.#press(event));
  }

  #follow() {
    const isWanted = this.dataset.with.split(" ").includes(this.getAttribute("state"));
    if (!isWanted) this.#disconnect();
    else if (!this.#socket) this.#connect();
  }

  #connect() {
    this.#disconnect();
    this.#say("connecting", text("connecting"));
    this.#socket = new Socket(this.dataset.url, {
      open: () => this.#socket.send(resizeMessage(this.#screen.cols, this.#screen.rows)),
      message: (data) => (typeof data === "string" ? this.#hear(parseMessage(data)) : this.#show(data)),
      lost: () => this.#say("lost", text("reconnecting")),
      final: (code) => this.#say("ended", text(code === NOT_FOUND ? "gone" : "signedOut")),
    });
    this.#fit();
  }

  /** The shell may be ready before the page shows it, or the other way round: the later of the two moves the keyboard. */
  #takeFocus() {
    if (this.dataset.phase === "ready" && this.checkVisibility()) this.#screen.focus();
  }

  #disconnect() {
    delete this.dataset.phase;
    this.#socket?.close();
    this.#socket = null;
  }

  #show(data) {
    this.#screen.write(new Uint8Array(data));
  }

  /** The server may wait for this before it sends more: a screen that cannot keep up slows its own shell only. */
  #tellWhenShown(mark) {
    const socket = this.#socket;
    this.#screen.write("", () => socket?.send(JSON.stringify({ type: "shown", mark })));
  }

  #hear(message) {
    if (message.type === "ready") {
      this.#screen.reset();
      this.#say("ready", "");
      this.#socket.send(resizeMessage(this.#screen.cols, this.#screen.rows));
      this.#takeFocus();
    } else if (message.type === "mark") {
      this.#tellWhenShown(message.mark);
    } else if (message.type === "exit") {
      this.#disconnect();
      this.#say("ended", text("shellEnded", { code: message.code }), true);
    } else if (message.type === "error") {
      this.#disconnect();
      this.#say("ended", message.message, true);
    }
  }

  #type(data) {
    this.#socket?.send(encodeText(this.#isControlHeld ? withControl(data) : data));
    this.#holdControl(false);
  }

  #key(event) {
    const action = clipboardAction(event, this.#screen.hasSelection());
    if (!action) return true;
    if (action === "copy") {
      event.preventDefault();
      copySelection(this.#screen);
    } else if (action === "find") {
      event.preventDefault();
      this.#search.open();
    } else if (action === "leave") {
      event.preventDefault();
      this.querySelector('[data-press="copy"]').focus();
    }
    return false;
  }

  #press(event) {
    const button = event.target.closest("[data-press]");
    if (!button) return;
    const sequence = button.dataset.keys;
    if (sequence === undefined) this.#buttons[button.dataset.press]();
    else {
      this.#type(JSON.parse(sequence));
      this.#screen.focus();
    }
  }

  #holdControl(held) {
    this.#isControlHeld = held;
    this.#mark("control", held);
    if (held) this.#screen.focus();
  }

  #toggleScreenReader() {
    const isOn = !this.#screen.options.screenReaderMode;
    this.#screen.options.screenReaderMode = isOn;
    localStorage.setItem(SETTING, isOn ? "on" : "off");
    this.#mark("speak", isOn);
  }

  #mark(name, isOn) {
    this.querySelector(`[data-press="${name}"]`)?.setAttribute("aria-pressed", String(isOn));
  }

  #say(phase, sentence, canRestart = false) {
    this.dataset.phase = phase;
    this.querySelector("[data-note]").textContent = sentence;
    this.querySelector('[data-press="again"]').hidden = !canRestart;
  }
}
