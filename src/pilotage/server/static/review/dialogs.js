// Dialogs that ask for words or for a yes: modal, so that the focus stays in them and returns to the item after.

import { $, el, stage } from "./dom.js";

const dialog = $("wb-ask");
export const askOpen = () => dialog.open;

function open(title, parts, focusOn) {
  dialog.replaceChildren(el("h2", { id: "wb-ask-title" }, title), ...parts);
  dialog.showModal();
  focusOn.focus();
}

/** Ask for a line of text; `then` gets it. Escape leaves everything as it was. */
export function askFor(title, hint, then) {
  const field = el("textarea", { rows: 3, maxlength: 10000, dir: "auto", "aria-label": title, required: true });
  const done = () => {
    if (!field.value.trim()) return field.focus();
    dialog.close();
    then(field.value.trim());
  };
  const send = el("button", { type: "button", class: "wb-small wb-strong" }, "Send ", el("kbd", {}, "enter"));
  const leave = el("button", { type: "button", class: "wb-small" }, "Leave it ", el("kbd", {}, "esc"));
  send.addEventListener("click", done);
  leave.addEventListener("click", () => dialog.close());
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      done();
    }
  });
  open(title, [el("p", { class: "wb-none" }, hint), field, el("p", { class: "wb-row" }, send, leave)], field);
}

/** Tell something that must be agreed to before the work starts. It does not go away by Escape. */
export function agreeTo(title, text, then) {
  let agreed = false;
  const yes = el("button", { type: "button", class: "wb-small wb-strong" }, "I agree");
  const away = el("a", { href: "/review" }, "Not now");
  yes.addEventListener("click", () => {
    agreed = true;
    dialog.close();
    then();
  });
  const parts = [...text.split("\n\n").map((line) => el("p", { dir: "auto" }, line)), el("p", { class: "wb-row" }, yes, away)];
  const stay = () => {
    if (agreed) return;
    // A browser lets a page hold back only the first Escape: it is opened again.
    dialog.addEventListener("close", stay, { once: true });
    open(title, parts, yes);
  };
  stay();
}

dialog.addEventListener("close", () => stage.focus({ preventScroll: true }));
