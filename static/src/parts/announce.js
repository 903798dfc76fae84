// Says a sentence to screen readers through the page's polite live region.

const region = () => document.getElementById("announcer");

export function announce(sentence) {
  const place = region();
  if (!place || !sentence) return;
  place.textContent = "";
  // A region that changes twice in one task is read once only, with the old text.
  requestAnimationFrame(() => {
    place.textContent = sentence;
  });
}

/** Say what changed when a fragment with data-announce takes the place of another. */
export function announceChange(before, after) {
  const sentence = after?.dataset.announce;
  if (sentence && sentence !== before?.dataset.announce) announce(sentence);
}
