// How a list is brought from one order of keys to another. Pure.

/** What is to be taken away, and before which key (null: at the end) each key of the new order stands. */
export function planOrder(present, wanted) {
  const kept = new Set(wanted);
  return {
    gone: present.filter((key) => !kept.has(key)),
    places: wanted.map((key, index) => [key, wanted[index + 1] ?? null]).reverse(),
  };
}
