// Live gauges: fills elements marked data-meter="<tenant>" data-resource="<name>" from the usage socket while a page shows any.
// Inside, [data-used], [data-limit] and [data-left] get amounts and <progress> its value. Says nothing to screen readers by
// itself: figures that move each second would drown everything else; whoever reads a gauge finds the newest one. On a lab's page
// the same socket tells what the engine refuses to the commands in it.
import { formatAmount } from "./amounts.js";
import { Figures, isFull, isShort, leftOf, percentOf } from "./figures.js";
import { RefusedNotes } from "./refused.js";
import { Socket } from "./socket.js";
import { text } from "./text.js";

const PATH = "/ws/usage/";
const METERS = "[data-meter][data-resource]";
const GRACE_MS = 3000;

function write(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}

/** What a start would be refused for is shown for the team that is chosen; where nobody can tell it stays as the server has said. */
function showShortage(note, figure) {
  const team = note.closest("form")?.elements.team?.value;
  const isMissing = isShort(Number(note.dataset.needs), figure);
  if (team !== undefined && team !== note.dataset.team) note.hidden = true;
  else if (isMissing !== null) note.hidden = !isMissing;
}

function fillMeter(meter, figure, format) {
  const amount = (value) => (value === null ? "–" : format(meter.dataset.resource, value));
  write(meter.querySelector("[data-used]"), amount(figure.used));
  if (figure.limit !== null) write(meter.querySelector("[data-limit]"), amount(figure.limit));
  write(meter.querySelector("[data-left]"), amount(leftOf(figure)));
  const percent = percentOf(figure);
  const bar = meter.querySelector("progress");
  if (bar && percent !== null) {
    bar.value = percent;
    bar.textContent = `${percent} %`;
  }
  if (meter.dataset.needs !== undefined) showShortage(meter, figure);
  meter.toggleAttribute("data-full", isFull(figure));
  meter.toggleAttribute("data-over", figure.over === true);
  meter.removeAttribute("data-stale");
}

export function startUsage(document, htmx) {
  const figures = new Figures();
  const refused = new RefusedNotes(document, htmx);
  let watched = "";
  let socket = null;
  let timer = 0;

  const words = () => ({ units: text("units").split(" "), perSecond: text("perSecond") });
  const meters = () => document.querySelectorAll(METERS);

  function show() {
    const spoken = words();
    const format = (resource, value) => formatAmount(resource, value, document.documentElement.lang, spoken);
    for (const meter of meters()) {
      const figure = figures.get(meter.dataset.meter, meter.dataset.resource);
      if (figure) fillMeter(meter, figure, format);
    }
  }

  /** What nobody told lately is not shown as if it were so. */
  function fade() {
    figures.clear();
    for (const meter of meters()) {
      if (meter.querySelector("[data-used], [data-left]")) meter.setAttribute("data-stale", "");
    }
  }

  const watch = () => socket?.send(JSON.stringify({ type: "watch", tenant: watched }));

  const handlers = {
    usage(message) {
      clearTimeout(timer);
      timer = 0;
      figures.take(message.tenants);
      show();
      refused.clear(document, figures);
    },
    refused: (message) => refused.show(document, message),
  };

  const open = () =>
    new Socket(PATH, {
      open() {
        figures.clear();
        watch();
      },
      message(data) {
        const message = JSON.parse(data);
        handlers[message.type]?.(message);
        socket?.send(JSON.stringify({ type: "shown", mark: message.mark }));
      },
      lost() {
        timer ||= setTimeout(fade, GRACE_MS);
      },
    });

  function follow() {
    const before = watched;
    watched = RefusedNotes.watched(document);
    if (watched || document.querySelector(METERS)) {
      socket ??= open();
      if (watched !== before) watch();
      show();
    } else if (socket) {
      socket.close();
      socket = null;
      figures.clear();
    }
  }

  if (!document.body.dataset.live) return; // nobody is signed in
  htmx.onLoad(follow);
  document.addEventListener("live:replaced", follow);
  document.addEventListener("change", (event) => event.target.matches?.("select[name=team]") && show());
}
