// What is said beside the work: consent before it begins, calibration rounds with their feedback; and that an item was seen.

import { agreeTo } from "./dialogs.js";
import { say } from "./answers.js";
import { desk, rubricOf } from "./desk.js";
import { announce, el, keep, MINE, queue, root, workspace } from "./dom.js";
import { offerGuideline } from "./guideline.js";
import { hooks, outbox } from "./outbox.js";
import { redraw } from "./screen.js";

const told = new Set(); // tasks whose first sight is on record
let feedback = null; // of the last answer that was measured openly

/** An item is on the screen for the first time. */
export function seen(task) {
  if (!told.has(task.task_id)) {
    told.add(task.task_id);
    outbox.put("viewed", { task_id: task.task_id });
  }
  consent();
  offerGuideline(task);
}

function consent() {
  const text = desk.project?.consent;
  const name = `${MINE}.${workspace}.${queue}.consent`;
  // On record on the server, whatever machine it was said on; or said here and still on its way there.
  if (!text || desk.project.consented || keep.read(localStorage, name, null) === text) return;
  agreeTo("Before you begin", text, () => {
    keep.write(localStorage, name, text);
    outbox.put("consent", { queue });
  });
}

hooks.sent = (entry, answer) => {
  if (entry.op !== "answer" || !answer?.feedback) return;
  const task = desk.seen.get(entry.body.task_id);
  if (!task) return;
  feedback = { ...answer.feedback, task };
  const { right } = answer.feedback;
  announce(`Your last answer: ${right === true ? "as expected" : right === false ? "not as expected" : "kept"}. ${answer.feedback.explanation ?? ""}`);
  redraw({ focus: false });
};

function feedbackPart() {
  const { right, expected = {}, explanation, task } = feedback;
  const questions = rubricOf(task).questions;
  const lines = Object.entries(expected).map(([name, value]) => {
    const question = questions.find((one) => one.name === name);
    return `${question?.prompt ?? name} ${question ? say(question, value, task) : value}`;
  });
  const close = el("button", { type: "button", class: "wb-small", "aria-label": "Close what was said of your last answer" }, "×");
  close.addEventListener("click", () => {
    feedback = null;
    redraw();
  });
  return el("section", { class: `wb-notice ${right === false ? "wb-not-so" : "wb-so"}`, "aria-label": "Your last answer" },
    el("div", { class: "wb-row wb-spread" }, el("b", {}, right === false ? "Your last answer was not as expected" : "Your last answer was as expected"), close),
    right === false && lines.map((line) => el("p", { dir: "auto" }, line)),
    explanation && el("p", { dir: "auto" }, explanation));
}

function roundPart() {
  const round = desk.project?.round;
  if (!round) return null;
  return el("p", { class: "wb-notice" }, el("b", {}, "Calibration round. "), "You see after each item what was expected; nothing here counts as work.");
}

const SOON = 5; // answers before a pause at which it is told

function breakPart() {
  const left = desk.project?.before_break;
  if (left == null || left < 1 || left > SOON) return null;
  return el("p", { class: "wb-notice" }, `A break of ${desk.project.break_for} comes after ${left === 1 ? "this item" : `${left} more items`}.`);
}

export function noticeParts(task) {
  root.classList.toggle("wb-calibrating", Boolean(desk.project?.round));
  return desk.past ? [] : [roundPart(), breakPart(), feedback && feedback.task !== task ? feedbackPart() : null].filter(Boolean);
}

