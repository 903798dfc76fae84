// The small field that finds words in a terminal's output. Must not know of sockets.

const DECORATIONS = {
  matchBackground: "#4a4222",
  matchOverviewRuler: "#f0b95c",
  activeMatchBackground: "#f0b95c",
  activeMatchColorOverviewRuler: "#f0b95c",
};

export class SearchField {
  #screen;
  #finder;
  #form;
  #field;
  #count;

  /** `form` holds an input, an output for the count, and buttons with data-find="older|newer|close". */
  constructor(form, { screen, finder }) {
    this.#screen = screen;
    this.#finder = finder;
    this.#form = form;
    this.#field = form.querySelector("input");
    this.#count = form.querySelector("output");
    finder.onDidChangeResults((found) => this.#tell(found));
    form.addEventListener("submit", (event) => event.preventDefault());
    this.#field.addEventListener("input", () => this.#find("older", true));
    form.addEventListener("keydown", (event) => this.#key(event));
    form.addEventListener("click", (event) => this.#press(event.target.closest("[data-find]")?.dataset.find));
  }

  open() {
    const selected = this.#screen.getSelection();
    this.#form.hidden = false;
    if (selected && !selected.includes("\n")) this.#field.value = selected;
    this.#field.focus();
    this.#field.select();
    this.#find("older", true);
  }

  close() {
    this.#form.hidden = true;
    this.#finder.clearDecorations();
    this.#screen.clearSelection();
    this.#screen.focus();
  }

  #key(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.target === this.#field) this.#find(event.shiftKey ? "newer" : "older");
    else return;
    event.preventDefault();
  }

  #press(what) {
    if (what === "close") this.close();
    else if (what) this.#find(what);
  }

  /** The newest output stands below, so the first find is the one above the end. */
  #find(direction, incremental = false) {
    const words = this.#field.value;
    const options = { decorations: DECORATIONS, incremental };
    if (!words) this.#finder.clearDecorations();
    else if (direction === "older") this.#finder.findPrevious(words, options);
    else this.#finder.findNext(words, options);
    if (!words) this.#count.textContent = "";
  }

  #tell({ resultIndex, resultCount }) {
    this.#count.textContent = this.#field.value ? `${resultIndex + 1} / ${resultCount}` : "";
  }
}
