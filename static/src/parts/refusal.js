// Writes the reason of a refusal beside the button that was pressed, where it stays when the toast has gone.

const REFUSED = 422;
const PLACES = ".lab-card, .lab-head";

const placeOf = (element) => element?.closest?.(PLACES);

function clear(place) {
  place?.querySelector("[data-refusal]")?.remove();
}

function show(htmx, place, xhr) {
  const note = document.createElement("div");
  note.className = "note";
  note.dataset.tone = "bad";
  note.dataset.refusal = "";
  // Markup comes from templates of the site only, with the buttons of what would help.
  if (xhr.getResponseHeader("Content-Type")?.startsWith("text/html")) note.innerHTML = xhr.responseText;
  else note.textContent = xhr.responseText;
  const actions = place.querySelector(":scope > .actions, :scope > form");
  if (place.matches(".lab-head")) place.append(note);
  else place.insertBefore(note, actions);
  htmx.process(note);
}

export function startRefusal(document, htmx) {
  document.addEventListener("htmx:beforeRequest", (event) => clear(placeOf(event.detail.elt)));
  document.addEventListener("htmx:responseError", (event) => {
    const place = placeOf(event.detail.elt);
    if (event.detail.xhr?.status !== REFUSED || !place) return;
    clear(place);
    show(htmx, place, event.detail.xhr);
  });
}
