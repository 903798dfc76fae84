// The page of workloads: rows that its socket sends take their place, counts stand beside the tabs.
// Must not decide what a row looks like; the server renders it.
import { rememberFocus } from "./focus.js";
import { planOrder } from "./order.js";
import { Socket } from "./socket.js";
import { writeTimes } from "./times.js";

function rowOf(html) {
  const pattern = document.createElement("template");
  pattern.innerHTML = html;
  return pattern.content.querySelector("tr");
}

function putRow(htmx, body, id, html) {
  const before = document.getElementById(id);
  const row = rowOf(html);
  if (!before) {
    body.append(row);
  } else {
    const restoreFocus = rememberFocus(before);
    before.replaceWith(row);
    restoreFocus(row);
  }
  writeTimes(row);
  htmx.process(row);
}

/** Moves only what does not stand right already: a row that is taken out and put back would lose the focus. */
function arrange(body, order) {
  const { gone, places } = planOrder([...body.children].map((row) => row.id), order);
  for (const id of gone) document.getElementById(id).remove();
  for (const [id, nextId] of places) {
    const row = document.getElementById(id);
    const next = nextId === null ? null : document.getElementById(nextId);
    if (row.nextElementSibling !== next) body.insertBefore(row, next);
  }
}

function showRows(htmx, place, { kind, order, changed, total }) {
  const body = place.querySelector(`[data-rows="${CSS.escape(kind)}"]`);
  if (!body) return;
  for (const [id, html] of Object.entries(changed)) putRow(htmx, body, id, html);
  arrange(body, order);
  place.querySelector(`[data-count="${CSS.escape(kind)}"]`).textContent = String(total);
  place.querySelector(`[data-waiting="${CSS.escape(kind)}"]`).hidden = true;
  place.querySelector(`[data-empty="${CSS.escape(kind)}"]`).hidden = total > 0;
  place.querySelector(`[data-more="${CSS.escape(kind)}"]`).hidden = total <= order.length;
}

export function startWorkloads(document, htmx) {
  let socket = null;
  let path = "";

  const place = () => document.querySelector("[data-workloads]");
  function setAway(isAway) {
    const shown = place();
    if (!shown) return;
    shown.toggleAttribute("data-stale", isAway);
    shown.querySelector("[data-away]").hidden = !isAway;
  }

  const open = (address) =>
    new Socket(address, {
      message(data) {
        const message = JSON.parse(data);
        if (message.type !== "rows" || !place()) return;
        setAway(false);
        showRows(htmx, place(), message);
        socket?.send(JSON.stringify({ type: "shown", mark: message.mark }));
      },
      lost: () => setAway(true),
    });

  htmx.onLoad(() => {
    const wanted = place()?.dataset.workloads ?? "";
    if (wanted === path && place()?.hasAttribute("data-open")) return;
    socket?.close();
    path = wanted;
    socket = wanted ? open(wanted) : null;
    place()?.setAttribute("data-open", "");
  });
}
