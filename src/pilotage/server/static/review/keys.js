// Keys: one table of commands, each with the key it has unless the person gave it another. Changed keys are kept for the login on this browser.

import { accept, backToCurrent, choose, edit, endEdit, escalate, flag, flush, look, moved, ofKind, recordChosen, reject, reveal, skip, toQuestion, undo } from "./deciding.js";
import { aliasOf, take } from "./adjudication.js";
import { askOpen } from "./dialogs.js";
import { asked, focused } from "./answers.js";
import { current, desk } from "./desk.js";
import { keep, MINE } from "./dom.js";
import { toggleGuideline } from "./guideline.js";
import { capture, help, toggleHelp } from "./help.js";
import { kindOf } from "./kinds/registry.js";

export const COMMANDS = {
  accept: { key: "a", words: "Agree with the proposal", run: accept },
  reject: { key: "x", words: "The opposite of the proposal", run: reject },
  skip: { key: " ", words: "Skip: leave it to others", run: skip },
  undo: { key: "Backspace", words: "Undo your last decision", run: () => undo() },
  record: { key: "Enter", words: "Record what you chose", run: recordChosen },
  edit: { key: "e", words: "Start from the proposal and put it right", run: edit },
  flag: { key: "f", words: "Flag it for somebody to look into", run: flag },
  escalate: { key: "s", words: "Escalate: somebody else should decide", run: escalate },
  prefer_first: { key: "[", words: "Of a pair: the first is better (again: more so)", run: (event) => ofKind("prefer_first", event) },
  prefer_second: { key: "]", words: "Of a pair: the second is better (again: more so)", run: (event) => ofKind("prefer_second", event) },
  tie: { key: "=", words: "Equal", run: (event) => ofKind("tie", event) },
  both_bad: { key: "-", words: "Of a pair: both are bad", run: (event) => ofKind("both_bad", event) },
  next_question: { key: ".", words: "Next question of this item", run: () => toQuestion(desk.question + 1) },
  previous_question: { key: ",", words: "Previous question of this item", run: () => toQuestion(desk.question - 1) },
  guideline: { key: "g", words: "Guideline", run: toggleGuideline },
  instructions: { key: "h", words: "Instructions (the guideline too)", run: toggleGuideline },
  older: { key: "j", words: "Look back at an older decision", run: () => look(1) },
  newer: { key: "k", words: "Forward to a newer one", run: () => look(-1) },
  reveal: { key: "v", words: "Show or hide blurred text", run: reveal },
  help: { key: "?", words: "Help and keys", run: toggleHelp },
};

export const remapped = keep.read(localStorage, `${MINE}.keys`, {});
export const settings = { singleKeys: keep.read(localStorage, `${MINE}.single-keys`, true) };

export const keyOf = (name) => remapped[name] ?? COMMANDS[name].key;
export const keyName = (key) => ({ " ": "space", Backspace: "⌫", Enter: "enter", Escape: "esc" })[key] ?? key;
export const shown = (name) => keyName(keyOf(name));

/** The key an option shows: its digit, or its own where that does something. */
export function optionKey(question, option, index) {
  const own = option.key && !taken(option.key) ? option.key : "";
  if (/^\d$/.test(own)) return own;
  return own || (index < 9 ? String(index + 1) : index === 9 ? "0" : index < 20 ? `⇧${(index + 1) % 10}` : "");
}

const taken = (key) => Object.keys(COMMANDS).some((name) => keyOf(name) === key);

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (capture(event)) return;
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  const chord = event.ctrlKey || event.metaKey;
  if (chord && event.key === "s") {
    event.preventDefault();
    return void flush();
  }
  if (askOpen()) return;
  if (desk.editing && typing) {
    if (event.key === "Escape" || (chord && event.key === "Enter")) {
      event.preventDefault();
      endEdit(event.key === "Enter");
    }
    return;
  }
  if (typing || chord) return;
  if (help.open) {
    if (event.key === keyOf("help")) toggleHelp();
    return;
  }
  if (event.key === "Escape" && desk.past) return backToCurrent();
  // A focused control keeps the keys that press it.
  if (event.target.closest?.("button, a, summary") && (event.key === " " || event.key === "Enter")) return;
  if (!settings.singleKeys) return;
  if (!desk.past && moved(event)) return event.preventDefault();
  if (event.altKey) return;
  const command = commandOf(event);
  if (!command) return;
  event.preventDefault();
  if (!event.repeat) command(event); // a key held down decides once
});

function commandOf(event) {
  const { key } = event;
  for (const name of Object.keys(COMMANDS)) if (keyOf(name) === key) return COMMANDS[name].run;
  const other = aliasOf(event);
  if (other >= 0) return () => take(other);
  const question = focused();
  const options = question && !desk.past ? kindOf(question).options(question) : [];
  const own = options.findIndex((option) => option.key && option.key === key);
  if (own >= 0) return () => choose(own);
  if (/^[0-9]$/.test(key)) return () => choose((Number(key) + 9) % 10);
  // With shift, the digits give the eleventh to the twentieth.
  const more = event.shiftKey && options.length > 10 && /^Digit(\d)$/.exec(event.code);
  return more ? () => choose(10 + ((Number(more[1]) + 9) % 10)) : null;
}

/** Why `key` cannot be given to `name`, or "". */
export function conflict(name, key) {
  const holder = Object.keys(COMMANDS).find((other) => other !== name && keyOf(other) === key);
  if (holder) return `${keyName(key)} is taken by “${COMMANDS[holder].words}”.`;
  if (/^[0-9]$/.test(key)) return `${key} is taken by the answers.`;
  if (/^(Arrow|Home|End|Delete|Escape)/.test(key)) return `${keyName(key)} is taken: it moves about in the item.`;
  const task = current();
  const option = task && asked(task).flatMap((one) => kindOf(one).options(one)).find((one) => one.key === key);
  return option ? `${keyName(key)} is taken by the answer “${option.label}”.` : "";
}
