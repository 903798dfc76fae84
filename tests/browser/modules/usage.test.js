// The pure parts of live gauges. The table of amounts is the one that the server's own formatter is tested with.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { formatAmount } from "../../../static/src/parts/amounts.js";
import { Figures, isFull, isShort, leftOf, percentOf } from "../../../static/src/parts/figures.js";

const TABLE = JSON.parse(readFileSync(new URL("./amounts.json", import.meta.url), "utf8"));
const ENGLISH = { units: ["bytes", "KiB", "MiB", "GiB", "TiB"], perSecond: "{amount}/s" };
const FRENCH = { units: ["octets", "Kio", "Mio", "Gio", "Tio"], perSecond: "{amount}/s" };

test("amounts are written as the server writes them", () => {
  for (const [resource, amount, written] of TABLE) {
    assert.equal(formatAmount(resource, amount, "en", ENGLISH), written, `${amount} ${resource}`);
  }
});

test("amounts are written in the reader's language", () => {
  assert.equal(formatAmount("memory", 1.5 * 2 ** 30, "fr", FRENCH), "1,5\u00a0Gio");
  assert.equal(formatAmount("cpus", 0.25, "fr", FRENCH), "0,25");
});

test("changes are put upon what was known, and what is gone goes", () => {
  const figures = new Figures();
  figures.take({ demo: { memory: { used: 1, limit: 2 }, pids: { used: 3, limit: null } }, "demo/ada": {} });
  figures.take({ demo: { memory: { used: 2, limit: 2 } } });
  assert.deepEqual(figures.get("demo", "memory"), { used: 2, limit: 2 });
  assert.deepEqual(figures.get("demo", "pids"), { used: 3, limit: null });
  figures.take({ demo: { pids: null } });
  assert.equal(figures.get("demo", "pids"), undefined);
  figures.take({ demo: null });
  assert.equal(figures.get("demo", "memory"), undefined);
});

test("a bar is full at its limit and never past its end", () => {
  assert.equal(percentOf({ used: 1, limit: 4 }), 25);
  assert.equal(percentOf({ used: 9, limit: 4 }), 100);
  assert.equal(percentOf({ used: 0, limit: 0 }), 100);
  assert.equal(percentOf({ used: 1, limit: null }), null);
  assert.equal(percentOf({ used: null, limit: 4 }), null);
  assert.deepEqual([isFull({ used: 4, limit: 4 }), isFull({ used: 3, limit: 4 }), isFull({ used: 3, limit: 4, over: true })], [true, false, true]);
  assert.deepEqual([leftOf({ used: 9, limit: 4 }), leftOf({ used: 1, limit: 4 }), leftOf({ used: null, limit: 4 })], [0, 3, null]);
});

test("a start is short of what is less than it needs, and of a disk that is almost full", () => {
  const table = [
    [1, { used: 3, limit: 3 }, true],
    [1, { used: 2, limit: 3 }, false],
    [1, { used: 9, limit: 3 }, true],
    [1, { used: 0, limit: 0 }, true],
    [5, { used: 9, limit: null }, false],
    [5, { used: null, limit: 9 }, null],
    [0, { used: 98, limit: 100 }, true],
    [0, { used: 97, limit: 100 }, false],
  ];
  for (const [needs, figure, short] of table) assert.equal(isShort(needs, figure), short, JSON.stringify([needs, figure]));
});
