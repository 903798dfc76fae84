// Gives each htmx request the anti-forgery token of the cookie, so that fragments pushed by WebSocket need none inside.

/** The value of cookie `name` in a cookie header, or an empty string. */
export function cookieValue(cookies, name) {
  const found = cookies.split(/;\s*/).find((pair) => pair.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

export function startCsrf(document) {
  document.addEventListener("htmx:configRequest", (event) => {
    const token = cookieValue(document.cookie, "csrftoken");
    if (token) event.detail.headers["X-CSRFToken"] = token;
  });
}
