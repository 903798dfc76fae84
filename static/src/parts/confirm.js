// Asks before a request whose form carries hx-confirm, in a <dialog> of the page instead of the browser's own box.

export function startConfirm(document) {
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    const dialog = document.getElementById("confirm");
    dialog.querySelector("[data-confirm-question]").textContent = event.detail.question;
    dialog.querySelector("[value=yes]").textContent = event.detail.elt.dataset.confirmVerb ?? "";
    dialog.returnValue = "";
    dialog.onclose = () => dialog.returnValue === "yes" && event.detail.issueRequest(true);
    dialog.showModal();
  });
}
