// Finds the translated words that the page carries for scripts, and fills in values. Holds no wording itself.

/** Replace every {name} of `pattern` by the value of that name. */
export function fillText(pattern, values = {}) {
  return pattern.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The text that #texts carries as data-<name>, or the name where there is none. */
export function text(name, values) {
  const pattern = document.getElementById("texts")?.dataset[name];
  return fillText(pattern ?? name, values);
}
