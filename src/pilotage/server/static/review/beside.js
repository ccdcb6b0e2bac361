// What stands beside the item: the questions of a rubric, the machine's proposal, the texts.

import { asked, baseOf, brief, mustAnswer, proposalOf, say, veiled, written } from "./answers.js";
import { button } from "./bar.js";
import { endEdit, toQuestion } from "./deciding.js";
import { desk, setDrafts } from "./desk.js";
import { marked } from "./difference.js";
import { beside, el, textOf, words } from "./dom.js";
import { keyName, keyOf } from "./keys.js";
import { drawActions } from "./screen.js";

export function besideParts(task) {
  return [questionsCard(task), verdictCard(task), ...written(task).map((one) => textCard(task, one))].filter(Boolean);
}

/** Of a rubric with several questions: each with what was answered, the one in focus marked. */
function questionsCard(task) {
  const questions = asked(task);
  if (questions.length < 2) return null;
  const answers = desk.past ? desk.decisions[desk.pastIndex].answers ?? {} : desk.chosen;
  return el("section", { class: "wb-card wb-questions", "aria-labelledby": "wb-questions-title" },
    el("h3", { id: "wb-questions-title" }, "Questions"),
    el("ol", {}, questions.map((question, index) => {
      const value = answers[question.name];
      const here = !desk.past && index === desk.question;
      const open = el("button", { type: "button", class: "wb-one-question", "aria-current": here ? "step" : false, disabled: Boolean(desk.past) },
        el("span", { dir: "auto" }, question.prompt),
        el("small", { class: value === undefined ? "" : "wb-given" }, value === undefined ? (mustAnswer(question) ? "not answered" : "may be left out") : brief(question, value, task)));
      open.addEventListener("click", () => toQuestion(index));
      return el("li", {}, open);
    })));
}

function verdictCard(task) {
  if (veiled(task)) {
    return el("section", { class: "wb-card wb-verdict" }, el("h3", {}, "A machine has a proposal"), el("p", { class: "wb-none" }, "Look at the item first. ", el("kbd", {}, keyName(keyOf("accept"))), " shows it."));
  }
  const verdict = task.answer_first && !task.committed ? null : task.payload?.verdict;
  const proposal = proposalOf(task);
  const said = asked(task).filter((question) => question.name in proposal);
  if (!said.length && !verdict) return null;
  const by = task.suggestions_by ?? [];
  return el("section", { class: "wb-card wb-verdict" },
    el("h3", {}, desk.mine ? "You answered; a machine says" : said.length ? "A machine proposes" : "A machine says"),
    said.length > 1
      ? el("dl", { class: "wb-facts" }, said.map((question) => [el("dt", {}, words(question.name)), el("dd", { dir: "auto" }, brief(question, proposal[question.name], task))]))
      : el("p", { class: "wb-proposed", dir: "auto" }, said.map((question) => say(question, proposal[question.name], task)).join(", ") || words(textOf(verdict.value))),
    by.length > 0 && el("p", { class: "wb-reason" }, by.map((one) => `${one.model}${one.probability != null ? `: ${Math.round(100 * one.probability)} %` : ""}`).join(", ")),
    verdict?.reason && el("p", { class: "wb-reason", dir: "auto" }, textOf(verdict.reason)));
}

function textCard(task, question) {
  const base = baseOf(task, question);
  const past = desk.past ? desk.decisions[desk.pastIndex] : null;
  const draft = past ? past.drafts?.[question.name] : desk.drafts[task.task_id]?.[question.name];
  const text = draft ?? base;
  const changed = draft != null && draft !== base;
  const title = question.name === "correction" ? (changed ? "Your correction" : text ? "Proposed correction" : "Correction") : question.prompt;
  if (desk.editing && !desk.past) return editingCard(task, question, text, base);
  const body = el("div", { class: "wb-text", dir: "auto" });
  body.textContent = text;
  const none = question.name === "correction" ? "None is proposed." : "Not written yet.";
  return el("section", { class: "wb-card wb-correction" },
    el("div", { class: "wb-row wb-spread" }, el("h3", { dir: "auto" }, title), !desk.past && button("edit", text ? "Edit" : "Write one")),
    text ? body : el("p", { class: "wb-none" }, none),
    changed && base && el("details", { class: "wb-more", open: question.kind === "edit" }, el("summary", {}, "What you changed"), marked(base, draft)));
}

function editingCard(task, question, text, base) {
  const field = el("textarea", { id: `wb-field-${question.name}`, "data-question": question.name, rows: 6, dir: "auto", maxlength: 100000 });
  field.value = text;
  const shown = el("div", { class: "wb-live-difference" });
  const compare = () => shown.replaceChildren(...(base && field.value !== base ? [marked(base, field.value)] : []));
  field.addEventListener("input", () => {
    typed(task);
    compare();
  });
  compare();
  const saved = el("button", { type: "button", class: "wb-small wb-strong" }, "Keep this text ", el("kbd", {}, "ctrl enter"));
  const left = el("button", { type: "button", class: "wb-small" }, "Leave as it was ", el("kbd", {}, "esc"));
  saved.addEventListener("click", () => endEdit(true));
  left.addEventListener("click", () => endEdit(false));
  return el("section", { class: "wb-card wb-correction" }, el("h3", {}, el("label", { for: field.id }, question.prompt)), field, shown, el("p", { class: "wb-row" }, saved, left));
}

/** What is typed counts at once: whoever then presses Agree, or reloads, has it. */
function typed(task) {
  const drafts = {};
  for (const field of beside.querySelectorAll("textarea[data-question]")) drafts[field.dataset.question] = field.value;
  setDrafts(task, drafts);
  drawActions();
}
