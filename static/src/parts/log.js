// <atelier-log>: the lines of a lab's log, live. Keeps the newest only; must not ask for what the server did not send.
import { parseLine } from "./ansi.js";
import { SGR_COLOURS } from "./palette.js";
import { parseMessage } from "./session.js";
import { NOT_FOUND, Socket } from "./socket.js";
import { text } from "./text.js";

const MOST_LINES = 5000;
const NEAR_END_PX = 24;

function timeElement(iso) {
  const time = document.createElement("time");
  const moment = new Date(iso);
  time.dateTime = iso;
  time.title = moment.toLocaleString(document.documentElement.lang);
  time.textContent = moment.toLocaleTimeString(document.documentElement.lang, { hour12: false });
  return time;
}

function pieceElement({ text: words, colour, bold }) {
  const piece = document.createElement("span");
  piece.textContent = words;
  if (colour !== undefined) piece.style.color = SGR_COLOURS.get(colour);
  if (bold) piece.style.fontWeight = "650";
  return piece;
}

function lineElement({ time, stream, text: words }) {
  const line = document.createElement("div");
  line.className = "log-line";
  line.dataset.stream = stream;
  if (time) line.append(timeElement(time));
  const body = document.createElement("span");
  body.className = "log-text";
  body.append(...parseLine(words).map(pieceElement));
  line.append(body);
  return line;
}

export class LogView extends HTMLElement {
  static observedAttributes = ["state"];
  #socket = null;
  #list = null;
  #isFollowing = true;
  #waiting = [];
  #mark = null;
  #frame = 0;
  // A log that nobody has opened costs the server nothing.
  #watcher = new IntersectionObserver(() => this.#follow());

  connectedCallback() {
    this.#list = this.querySelector("[data-lines]");
    this.#list.addEventListener("scroll", () => this.#noticeScroll(), { passive: true });
    this.addEventListener("click", (event) => this.#press(event));
    this.#watcher.observe(this);
    this.#follow();
  }

  disconnectedCallback() {
    this.#watcher.disconnect();
    this.#disconnect();
  }

  attributeChangedCallback(name, before, after) {
    if (!this.#list || before === after) return;
    // A lab that starts again has a new log; one that stops keeps the lines it has.
    if (after === "running") this.#disconnect();
    this.#follow();
  }

  #follow() {
    const hasLog = this.dataset.with.split(" ").includes(this.getAttribute("state"));
    if (hasLog && !this.#socket && this.checkVisibility()) this.#connect();
  }

  #connect() {
    this.#socket = new Socket(this.dataset.url, {
      open: () => this.#clear(),
      message: (data) => this.#hear(parseMessage(data)),
      lost: () => this.#say(text("reconnecting")),
      final: (code) => this.#say(text(code === NOT_FOUND ? "gone" : "signedOut")),
    });
  }

  #disconnect() {
    this.#socket?.close();
    this.#socket = null;
  }

  #hear(message) {
    if (message.type === "lines") this.#add(message);
    else if (message.type === "end") this.#finish();
    else if (message.type === "error") this.#say(message.message);
  }

  #finish() {
    this.#socket?.close();
    if (!this.#list.childElementCount && !this.#waiting.length) this.#say(text("logEmpty"));
  }

  #clear() {
    this.#waiting = [];
    this.#mark = null;
    this.#list.replaceChildren();
    this.#say(text("logEmpty"));
  }

  #add({ lines, mark }) {
    this.#waiting.push(...lines);
    this.#mark = mark;
    if (this.#waiting.length > MOST_LINES) this.#waiting = this.#waiting.slice(-MOST_LINES);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    this.#say("");
    this.#list.append(...this.#waiting.map(lineElement));
    // The server sends no more than it was told is shown: a slow page slows its own stream only.
    if (this.#mark) this.#socket?.send(JSON.stringify({ type: "shown", mark: this.#mark }));
    this.#mark = null;
    this.#waiting = [];
    while (this.#list.childElementCount > MOST_LINES) this.#list.firstElementChild.remove();
    if (this.#isFollowing) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #noticeScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#list;
    this.#setFollowing(scrollTop + clientHeight >= scrollHeight - NEAR_END_PX);
  }

  #setFollowing(isFollowing) {
    this.#isFollowing = isFollowing;
    this.querySelector('[data-press="follow"]').setAttribute("aria-pressed", String(isFollowing));
    if (isFollowing) this.#list.scrollTop = this.#list.scrollHeight;
  }

  #press(event) {
    const button = event.target.closest("[data-press]");
    if (button?.dataset.press === "follow") this.#setFollowing(!this.#isFollowing);
    if (button?.dataset.press === "times") {
      const isShown = this.classList.toggle("with-times");
      button.setAttribute("aria-pressed", String(isShown));
    }
  }

  #say(sentence) {
    const note = this.querySelector("[data-note]");
    note.textContent = sentence;
    note.hidden = !sentence;
  }
}
