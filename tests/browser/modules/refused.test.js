// When the note of a refusal goes, and how long one that was closed stays away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Closed, hasRoom } from "../../../static/src/parts/refused.js";

test("there is room when what was asked for would fit", () => {
  const table = [
    [1, { used: 3, limit: 3 }, false],
    [1, { used: 2, limit: 3 }, true],
    [5, { used: 0, limit: 4 }, false],
    [5, { used: 9, limit: null }, true],
    [1, { used: null, limit: 4 }, false],
    [1, undefined, false],
    [0, { used: 99, limit: 100 }, false],
    [0, { used: 90, limit: 100 }, true],
  ];
  for (const [needed, figure, room] of table) assert.equal(hasRoom(needed, figure), room, JSON.stringify([needed, figure]));
});

test("what was closed stays away for a minute, each resource by itself", () => {
  const closed = new Closed();
  closed.add("demo/ada memory", 1000);
  assert.equal(closed.has("demo/ada memory", 60999), true);
  assert.equal(closed.has("demo/ada pids", 1001), false);
  assert.equal(closed.has("demo/ada memory", 61000), false);
});
