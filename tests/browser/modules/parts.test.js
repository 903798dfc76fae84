// The pure parts of the pages' scripts: run by node --test, called from test_modules.py.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLine, settleLine } from "../../../static/src/parts/ansi.js";
import { delayBefore } from "../../../static/src/parts/backoff.js";
import { clipboardAction } from "../../../static/src/parts/clipboard.js";
import { cookieValue } from "../../../static/src/parts/csrf.js";
import { RecentMessages, messageKey } from "../../../static/src/parts/recent.js";
import { encodeBinary, encodeText, parseMessage, resizeMessage, withControl } from "../../../static/src/parts/session.js";
import { isFinal, socketAddress } from "../../../static/src/parts/socket.js";
import { tabAfter } from "../../../static/src/parts/tabs.js";
import { formatMoment } from "../../../static/src/parts/times.js";
import { fillText } from "../../../static/src/parts/text.js";

test("waits grow up to ten seconds and chance spreads them over half of that", () => {
  assert.deepEqual([0, 1, 4, 5, 50].map((attempt) => delayBefore(attempt, 1)), [400, 800, 6400, 10000, 10000]);
  assert.equal(delayBefore(3, 0), 1600);
});

test("sockets are encrypted where the page is", () => {
  assert.equal(socketAddress("/ws/live/", { protocol: "https:", host: "labs.example.org" }), "wss://labs.example.org/ws/live/");
  assert.equal(socketAddress("/ws/live/", { protocol: "http:", host: "localhost:8000" }), "ws://localhost:8000/ws/live/");
});

test("only a lost session or a lost object ends a socket for good", () => {
  assert.deepEqual([1000, 1006, 4503, 4401, 4404].map(isFinal), [false, false, false, true, true]);
});

test("a text is filled with its values and unknown names stay", () => {
  assert.equal(fillText("code {code}, {other}", { code: 0 }), "code 0, {other}");
});

test("a moment of today is a clock time, any other has its day", () => {
  const now = new Date("2026-03-02T12:00:00Z");
  assert.equal(formatMoment(new Date("2026-03-02T09:05:00Z"), now, "fr", "UTC"), "09:05");
  assert.equal(formatMoment(new Date("2026-03-01T23:59:00Z"), now, "en", "UTC"), "Mar 1, 23:59");
});

test("a cookie is found by its whole name", () => {
  assert.equal(cookieValue("xcsrftoken=a; csrftoken=b%3D; theme=dark", "csrftoken"), "b=");
  assert.equal(cookieValue("", "csrftoken"), "");
});

test("arrow keys go round the tabs, other keys do nothing", () => {
  const cases = [["ArrowRight", 1, 0], ["ArrowLeft", 0, 1], ["Home", 1, 0], ["End", 0, 1], ["a", 0, -1]];
  for (const [key, index, expected] of cases) assert.equal(tabAfter(key, index, 2), expected, key);
});

test("the terminal's messages are read and written after the protocol", () => {
  assert.equal(resizeMessage(80, 24), '{"type":"resize","columns":80,"rows":24}');
  assert.deepEqual(parseMessage('{"type":"exit","code":3}'), { type: "exit", code: 3 });
  for (const bad of ["", "null", "[]", "{}", "{"]) assert.equal(parseMessage(bad).type, "unknown", bad);
});

test("a held Ctrl turns one letter into its control character", () => {
  assert.deepEqual(["c", "C", "[", "@"].map(withControl), ["\x03", "\x03", "\x1b", "\x00"]);
  assert.deepEqual(["1", "é", "word", ""].map(withControl), ["1", "é", "word", ""]);
});

test("typed text goes out as UTF-8 and mouse reports as single bytes", () => {
  assert.deepEqual([...encodeText("é")], [0xc3, 0xa9]);
  assert.deepEqual([...encodeBinary("\x1b[M\xff")], [0x1b, 0x5b, 0x4d, 0xff]);
});

test("Ctrl+C copies only while something is selected", () => {
  const press = (keys) => ({ type: "keydown", ctrlKey: true, shiftKey: false, altKey: false, metaKey: false, key: "", ...keys });
  assert.equal(clipboardAction(press({ code: "KeyC" }), true), "copy");
  assert.equal(clipboardAction(press({ code: "KeyC" }), false), "");
  assert.equal(clipboardAction(press({ code: "KeyC", shiftKey: true }), false), "copy");
  assert.equal(clipboardAction(press({ code: "KeyV", shiftKey: true }), false), "paste");
  assert.equal(clipboardAction(press({ code: "KeyV" }), false), "");
  assert.equal(clipboardAction(press({ key: "F6" }), false), "leave");
  assert.equal(clipboardAction({ ...press({ code: "KeyC", shiftKey: true }), type: "keyup" }, false), "");
});

test("a log line keeps its colours and loses other escapes", () => {
  const piece = (text, colour, bold = false) => ({ text, colour, bold });
  assert.deepEqual(parseLine("plain"), [piece("plain", undefined)]);
  assert.deepEqual(parseLine("\x1b[31mred\x1b[0m rest"), [piece("red", 31), piece(" rest", undefined)]);
  assert.deepEqual(parseLine("\x1b[1;92mok\x1b[22m no"), [piece("ok", 92, true), piece(" no", 92)]);
  assert.deepEqual(parseLine("\x1b[2K\x1b]0;title\x07a\x1b[38;5;33mb\x1b(B"), [piece("a", undefined), piece("b", undefined)]);
  assert.deepEqual(parseLine(""), []);
});

test("a line shows what stands after its last carriage return", () => {
  assert.equal(settleLine("10%\r50%\r100%\r"), "100%");
  assert.equal(settleLine("abx\x08c"), "abc");
});

test("the newest message of a fragment is kept for ten seconds", () => {
  const recent = new RecentMessages();
  recent.add("lab-1", "creating", 0);
  recent.add("job-1", "pending", 10);
  recent.add("lab-1", "running", 20);
  assert.deepEqual(recent.list(30), ["pending", "running"]);
  assert.deepEqual(recent.list(10_015), ["running"]);
  assert.deepEqual(recent.list(10_021), []);
});

test("messages about the same fragment have the same key", () => {
  assert.equal(messageKey({ type: "replace", id: "lab-1" }), messageKey({ type: "remove", id: "lab-1" }));
  assert.equal(messageKey({ type: "append", to: "jobs", html: '\n<tr id="job-7">' }), "jobs job-7");
  assert.equal(messageKey({ type: "toast", text: "hello" }), null);
});
