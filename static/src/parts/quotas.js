// The fields of the page of quotas: Escape gives back what stood there, up and down go through a column, a refusal is shown beside
// its field, and one box ticks all.
// Saving is the form's own affair (htmx): on Enter, and on leaving a field that was changed.

const FIELD = "[data-quota-form] .quota-field";
const REFUSED = 422;

const rowOf = (field) => field.closest("[data-live]");

function settle(field) {
  rowOf(field)?.removeAttribute("data-editing");
}

/** Go to the same column of the next row (or the one before); to leave a field that was changed saves it. */
function step(field, rows) {
  const column = [...field.closest("table").querySelectorAll(`.quota-field[data-action="${CSS.escape(field.dataset.action)}"]`)];
  const next = column[column.indexOf(field) + rows];
  next?.focus();
  next?.select();
}

function tickAll(document, box) {
  for (const tick of document.querySelectorAll(`input[type=checkbox][form="${CSS.escape(box.dataset.checkAll)}"]`)) {
    tick.checked = box.checked;
  }
}

export function startQuotas(document) {
  document.addEventListener("input", (event) => {
    if (event.target.matches?.(FIELD)) rowOf(event.target)?.setAttribute("data-editing", "");
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(FIELD)) return;
    const rows = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (rows) {
      event.preventDefault();
      step(event.target, rows);
    }
    if (event.key !== "Escape") return;
    event.target.value = event.target.dataset.held;
    event.target.select();
    settle(event.target);
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.(FIELD) && event.target.value === event.target.dataset.held) settle(event.target);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-check-all]")) tickAll(document, event.target);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (xhr?.status !== REFUSED || !requestConfig?.elt?.matches("[data-quota-form]")) return;
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const field = event.detail.elt?.querySelector?.('.quota-field[aria-invalid="true"]');
    if (!field) return;
    rowOf(field)?.setAttribute("data-editing", "");
    field.focus();
  });
}
