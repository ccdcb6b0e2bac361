// The pages' own script: small conveniences over pages that work without it.

const root = document.documentElement;

for (const button of document.querySelectorAll("[data-theme-toggle], [data-print]")) button.hidden = false;

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
  if (!event.target.closest("[data-theme-toggle]")) return;
  // Light or dark is kept in a cookie, so that the server renders the right one at once.
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `pilotage_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
});

// Every change that htmx asks for carries the session's CSRF token.
document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  if (token) event.detail.ctx.request.headers["X-CSRF-Token"] = token;
});

// Lists: j and k walk the rows, Enter opens one, n and p turn the page; a link with data-key answers to its key. Never while somebody types.
let row = -1;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.key === "n" || event.key === "p") {
    document.querySelector(event.key === "n" ? 'a[rel="next"]' : 'a[rel="prev"]')?.click();
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("[data-rows] a[data-row]")];
    if (!links.length) return;
    const here = links.indexOf(document.activeElement);
    row = Math.min(Math.max((here >= 0 ? here : row) + (event.key === "j" ? 1 : -1), 0), links.length - 1);
    links[row].focus();
    event.preventDefault();
  } else if (event.key.length === 1) {
    document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
});
