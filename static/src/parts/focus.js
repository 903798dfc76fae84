// Keeps the keyboard where it was when a fragment is replaced under it.

const PRESSABLE = "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled])";

/** What to call after `before` was replaced: puts the focus back on the same control, else on the fragment's first one. */
export function rememberFocus(before) {
  const active = document.activeElement;
  if (!before?.contains(active)) return () => undefined;
  const action = active.dataset.action;
  return (after) => {
    if (!after || (document.activeElement && document.activeElement !== document.body)) return;
    const same = action && after.querySelector(`[data-action="${CSS.escape(action)}"]:not([disabled])`);
    (same || after.querySelector(PRESSABLE) || after).focus({ preventScroll: true });
  };
}
