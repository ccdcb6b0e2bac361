// Deciding what others could not settle: their answers side by side, under letters that say nothing of who they are, and one key to take one.

import { asked, baseOf, brief, focused, written } from "./answers.js";
import { askOf } from "./deciding.js";
import { current, desk, setDrafts } from "./desk.js";
import { marked } from "./difference.js";
import { announce, el } from "./dom.js";
import { kindOf } from "./kinds/registry.js";
import { redraw } from "./screen.js";

// Of these the answer is whole once it is taken. The others can be put right before they are recorded.
const DONE_AT_ONCE = ["choice", "bool", "rating", "pair"];

export const others = (task) => task?.context?.answers ?? [];
export const isDisputed = (task) => others(task).length > 0;

/** Every disputed question with what each of the others answered. */
export function othersCard(task) {
  if (!isDisputed(task)) return null;
  const questions = [...asked(task), ...written(task)];
  return el("section", { class: "wb-card wb-others", "aria-labelledby": "wb-others-title" },
    el("h3", { id: "wb-others-title" }, `${others(task).length} answers, and not alike`),
    questions.map((question) => el("div", { class: "wb-disputed" },
      questions.length > 1 && el("h4", { dir: "auto" }, question.prompt),
      el("div", { class: `wb-panes${isWide(question) ? " wb-wide" : ""}` }, others(task).map((one, index) => pane(task, question, one, index))))));
}

const isWide = (question) => ["spans", "edit", "text", "ranking"].includes(question.kind);

function pane(task, question, one, index) {
  const value = one.answers?.[question.name];
  const mine = !desk.past && JSON.stringify(chosenOf(task, question)) === JSON.stringify(value) && value !== undefined;
  return el("div", { class: `wb-alias${mine ? " wb-chosen" : ""}` },
    el("div", { class: "wb-row wb-spread" }, el("strong", { class: "wb-letter" }, one.alias), value !== undefined && !desk.past && taker(task, question, one, index, "Take it")),
    value === undefined ? el("p", { class: "wb-none" }, "did not answer this") : drawn(task, question, value),
    one.reason && el("p", { class: "wb-reason", dir: "auto" }, `“${one.reason}”`));
}

const chosenOf = (task, question) => (written(task).includes(question) ? desk.drafts[task.task_id]?.[question.name] : desk.chosen[question.name]);

/** An answer to be looked at beside others: marks in the text, a text as what it changes, anything else in words. */
function drawn(task, question, value) {
  const kind = kindOf(question);
  if (kind.compare) return kind.compare(question, value, task);
  if (kind.written) {
    const base = baseOf(task, question);
    if (base) return marked(base, value);
    const body = el("div", { class: "wb-text", dir: "auto" });
    body.textContent = value;
    return body;
  }
  return el("p", { class: "wb-proposed", dir: "auto" }, brief(question, value, task));
}

function taker(task, question, one, index, text) {
  const made = el("button", { type: "button", class: "wb-small", "data-take": one.alias }, el("kbd", { "aria-hidden": "true" }, `⇧${one.alias}`), text, el("span", { class: "sr" }, ` (${one.alias}: ${question.prompt})`));
  made.addEventListener("click", () => take(index, question));
  return made;
}

/** The buttons at the foot: each of the others with their answer to the question in focus. */
export function takeButtons(task) {
  const question = focused() ?? written(task)[0];
  if (!question) return null;
  const given = others(task).map((one, index) => [one, index]).filter(([one]) => one.answers?.[question.name] !== undefined);
  return el("div", { class: "wb-decide wb-take" }, given.map(([one, index]) => {
    const value = one.answers[question.name];
    const said = kindOf(question).written ? String(value).slice(0, 60) : brief(question, value, task);
    const made = el("button", { type: "button", class: "wb-keep", "data-alias": one.alias }, el("kbd", { "aria-hidden": "true" }, `⇧${one.alias}`), el("span", {}, `Take ${one.alias}'s`, el("small", { dir: "auto" }, said)));
    made.addEventListener("click", () => take(index));
    return made;
  }));
}

/** What a pressed key takes: the place of the one whose letter it is, or -1. */
export function aliasOf(event) {
  if (desk.past || !/^[A-Z]$/.test(event.key)) return -1;
  return others(current()).findIndex((one) => one.alias === event.key);
}

/** Take this one's answer to `question`; without one, to the question in focus, and their texts where none of one's own is written. */
export function take(index, question = undefined) {
  const task = current();
  const one = others(task)[index];
  if (!one || desk.past || desk.busy) return;
  const target = question ?? focused();
  const texts = written(task).filter((each) => (question ? each === question : !desk.drafts[task.task_id]?.[each.name]) && one.answers?.[each.name] !== undefined);
  if (texts.length) setDrafts(task, { ...(desk.drafts[task.task_id] ?? {}), ...Object.fromEntries(texts.map((each) => [each.name, one.answers[each.name]])) });
  if (target && !written(task).includes(target)) {
    const value = one.answers?.[target.name];
    if (value === undefined) return announce(`${one.alias} did not answer this.`);
    return askOf(task, target).give(structuredClone(value), { done: DONE_AT_ONCE.includes(target.kind) && !written(task).length });
  }
  if (!texts.length) return announce(`There is nothing of ${one.alias}'s to take here.`);
  redraw();
  announce(`${one.alias}'s text is taken. Enter records it.`);
}
