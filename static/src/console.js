// Entry point of what a lab's page needs beyond every page's script: defines <atelier-terminal> and <atelier-log>.
import { LogView } from "./parts/log.js";
import { TerminalView } from "./parts/terminal.js";

customElements.define("atelier-terminal", TerminalView);
customElements.define("atelier-log", LogView);
