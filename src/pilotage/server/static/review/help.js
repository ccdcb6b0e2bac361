// The help: every command with its key, and changing them.

import { announce, $, el, keep, MINE, stage } from "./dom.js";
import { COMMANDS, conflict, remapped, settings, shown } from "./keys.js";
import { redraw } from "./screen.js";

export const help = $("wb-help");
let capturing = null;

export function toggleHelp() {
  if (help.open) return help.close();
  help.showModal();
  showHelp();
}

/** Take the next key pressed as the command's new one; true if the event was for that. */
export function capture(event) {
  if (!capturing) return false;
  event.preventDefault();
  if (["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return true;
  const name = capturing;
  capturing = null;
  let note = "";
  if (event.key !== "Escape") {
    note = conflict(name, event.key);
    if (!note) {
      remapped[name] = event.key;
      keep.write(localStorage, `${MINE}.keys`, remapped);
    }
  }
  if (note) announce(note);
  showHelp(note, name);
  redraw({ focus: false });
  return true;
}

const FIXED = [
  ["1–9, 0", "Choose an answer; label a mark; place a candidate"],
  ["← → ↑ ↓", "Walk in a text or a ranking; with shift: select, or move"],
  ["⇧ A, ⇧ B …", "Of a dispute: take the answer under this letter"],
  ["ctrl enter", "Keep the text you edited"],
  ["esc", "Leave the text as it was; back from the history"],
  ["ctrl s", "Send what is waiting now"],
];

function showHelp(note = "", focusOn = null) {
  const rows = Object.entries(COMMANDS).map(([name, command]) => {
    const change = el("button", { type: "button", class: "wb-small", "data-remap": name, "aria-label": `Change the key of: ${command.words}` }, "Change");
    change.addEventListener("click", () => {
      capturing = name;
      change.textContent = "Press a key …";
    });
    return el("tr", {}, el("td", {}, el("kbd", {}, shown(name))), el("td", {}, command.words), el("td", {}, change));
  });
  const fixed = FIXED.map(([keys, text]) => el("tr", {}, el("td", {}, el("kbd", {}, keys)), el("td", { colspan: 2 }, text)));
  const single = el("input", { type: "checkbox", id: "wb-single", checked: settings.singleKeys });
  single.addEventListener("change", () => keep.write(localStorage, `${MINE}.single-keys`, (settings.singleKeys = single.checked)));
  const reset = el("button", { type: "button", class: "wb-small" }, "Keys as they were");
  reset.addEventListener("click", () => {
    for (const name of Object.keys(remapped)) delete remapped[name];
    keep.write(localStorage, `${MINE}.keys`, remapped);
    showHelp();
    redraw({ focus: false });
  });
  const close = el("button", { type: "button", class: "wb-small" }, "Close");
  close.addEventListener("click", () => help.close());
  help.replaceChildren(
    el("h2", { id: "wb-help-title" }, "Keys"),
    el("p", {}, "Answers are kept on this machine until the server has them: you can go on while the network is away, and reload at any time."),
    el("p", { role: "alert" }, note),
    el("table", { class: "wb-keys" }, el("thead", { class: "sr" }, el("tr", {}, ["Key", "What it does", "Change"].map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows, fixed)),
    el("p", {}, single, el("label", { for: "wb-single" }, " Use single keys (switch off if they get in the way of a screen reader or speech input)")),
    el("p", { class: "wb-row" }, reset, close),
  );
  (focusOn ? help.querySelector(`[data-remap="${focusOn}"]`) : close).focus();
}

help.addEventListener("close", () => {
  capturing = null;
  stage.focus({ preventScroll: true });
});
