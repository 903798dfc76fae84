// Asks before a request whose form carries hx-confirm, in a <dialog> of the page instead of the browser's own box.

export function startConfirm(document) {
  let agreedPath = "";

  document.addEventListener("htmx:confirm", (event) => {
    const { elt, issueRequest, path, question } = event.detail;
    if (!question) return;
    event.preventDefault();
    if (path === agreedPath) {
      agreedPath = "";
      issueRequest(true);
      return;
    }
    const dialog = document.getElementById("confirm");
    dialog.querySelector("[data-confirm-question]").textContent = question;
    dialog.querySelector("[value=yes]").textContent = elt.dataset.confirmVerb ?? "";
    dialog.returnValue = "";
    dialog.onclose = () => dialog.returnValue === "yes" && proceed();
    dialog.showModal();

    // The page is live: while the question stood there, the form may have been replaced by a newer one of itself.
    function proceed() {
      if (elt.isConnected) {
        issueRequest(true);
        return;
      }
      agreedPath = path;
      document.querySelector(`form[hx-post="${CSS.escape(path)}"]`)?.requestSubmit();
      agreedPath = "";
    }
  });
}
