// The fields of the page of quotas: Escape gives back what stood there, a refusal is shown beside its field, and one box ticks all.
// Saving is the form's own affair (htmx): on Enter, and on leaving a field that was changed.

const FIELD = "[data-quota-form] .quota-field";
const REFUSED = 422;

const rowOf = (field) => field.closest("[data-live]");

function settle(field) {
  rowOf(field)?.removeAttribute("data-editing");
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
    if (event.key !== "Escape" || !event.target.matches?.(FIELD)) return;
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
