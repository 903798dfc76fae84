// A lab's page: fetches the console's script and lets the stage below the header follow the state that the header tells.

const CONSOLE = "atelier-terminal, atelier-log";

function followState(document) {
  const stage = document.querySelector("[data-stage]");
  const header = stage && document.getElementById(stage.dataset.stage);
  if (!header || stage.dataset.state === header.dataset.state) return;
  stage.dataset.state = header.dataset.state;
  for (const part of stage.querySelectorAll("[data-when]")) {
    part.hidden = !part.dataset.when.split(" ").includes(header.dataset.state);
  }
  for (const view of stage.querySelectorAll(CONSOLE)) view.setAttribute("state", header.dataset.state);
}

function leaveRemoved(event) {
  const stage = document.querySelector(`[data-stage="${CSS.escape(event.target.id)}"]`);
  if (stage) document.querySelector("[data-home]").click();
}

export function startLab(document, htmx) {
  const script = () => document.body.dataset.console;
  htmx.onLoad(() => {
    followState(document);
    if (document.querySelector(CONSOLE)) import(script());
  });
  document.addEventListener("live:replaced", () => followState(document));
  document.addEventListener("live:removed", leaveRemoved);
}
