// The pages' own script: small conveniences over pages that work without it.

const root = document.documentElement;

// Light or dark: kept in a cookie, so that the server renders the right one at once.
const toggle = document.querySelector("[data-theme-toggle]");
if (toggle) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const systemDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : systemDark;
    root.dataset.theme = dark ? "light" : "dark";
    document.cookie = `pilotage_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
  });
}

// Every change that htmx sends carries the session's CSRF token.
document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  if (token) event.detail.ctx.request.headers["X-CSRF-Token"] = token;
});

// Text flagged as harmful stays blurred until somebody asks to see it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (!button) return;
  const hidden = document.getElementById(button.dataset.reveal);
  const shown = hidden.classList.toggle("revealed");
  button.setAttribute("aria-expanded", String(shown));
  button.textContent = shown ? "Hide again" : "Reveal";
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
});

// Lists: j and k walk the rows, Enter opens, n and p turn the page. Never while somebody types.
let row = -1;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const links = [...document.querySelectorAll("[data-rows] a[data-row]")];
  if (event.key === "j" || event.key === "k") {
    if (!links.length) return;
    const here = links.indexOf(document.activeElement);
    row = Math.min(Math.max((here >= 0 ? here : row) + (event.key === "j" ? 1 : -1), 0), links.length - 1);
    links[row].focus();
    event.preventDefault();
  } else if (event.key === "n" || event.key === "p") {
    document.querySelector(event.key === "n" ? 'a[rel="next"]' : 'a[rel="prev"]')?.click();
  }
});
