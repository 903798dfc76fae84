// The keys that a terminal keeps from its shell, as other terminals have them: copy (Ctrl+C too while something is selected),
// paste, find, leave.

/** What a key press means: "copy", "paste" (left to the browser), "find", "leave" or "" for the shell. */
export function clipboardAction(event, hasSelection) {
  if (event.type !== "keydown") return "";
  const control = event.ctrlKey && !event.altKey && !event.metaKey;
  if (control && event.key === "F6") return "leave";
  if (control && event.shiftKey && event.code === "KeyC") return "copy";
  if (control && event.shiftKey && event.code === "KeyV") return "paste";
  if (control && event.shiftKey && event.code === "KeyF") return "find";
  if (control && !event.shiftKey && event.code === "KeyC" && hasSelection) return "copy";
  return "";
}

export function copySelection(screen) {
  const selected = screen.getSelection();
  if (selected) navigator.clipboard?.writeText(selected);
  screen.clearSelection();
  screen.focus();
}

export async function pasteInto(screen) {
  const pasted = await navigator.clipboard?.readText().catch(() => "");
  if (pasted) screen.paste(pasted);
  screen.focus();
}
