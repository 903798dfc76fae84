// Writes the reason of a refusal beside the button that was pressed, where it stays when the toast has gone.

const REFUSED = 422;
const PLACES = ".lab-card, .lab-head";

const placeOf = (element) => element?.closest?.(PLACES);

function clear(place) {
  place?.querySelector("[data-refusal]")?.remove();
}

function show(place, reason) {
  const note = document.createElement("p");
  note.className = "note";
  note.dataset.tone = "bad";
  note.dataset.refusal = "";
  note.textContent = reason;
  const actions = place.querySelector(":scope > .actions, :scope > form");
  if (place.matches(".lab-head")) place.append(note);
  else place.insertBefore(note, actions);
}

export function startRefusal(document) {
  document.addEventListener("htmx:beforeRequest", (event) => clear(placeOf(event.detail.elt)));
  document.addEventListener("htmx:responseError", (event) => {
    const place = placeOf(event.detail.elt);
    if (event.detail.xhr?.status !== REFUSED || !place) return;
    clear(place);
    show(place, event.detail.xhr.responseText);
  });
}
