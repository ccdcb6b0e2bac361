// The bar at the foot: agree, the opposite, the answers of the question in focus, and the rest of the commands.

import { isDisputed, takeButtons } from "./adjudication.js";
import { acceptance, asked, baseOf, focused, outcome, proposalOf, rejection, veiled, whole, written } from "./answers.js";
import { backToCurrent, choose } from "./deciding.js";
import { desk } from "./desk.js";
import { el, stage } from "./dom.js";
import { COMMANDS, optionKey, shown } from "./keys.js";
import { kindOf } from "./kinds/registry.js";

export function button(name, text, { detail = "", kind = "wb-small", disabled = false } = {}) {
  const made = el("button", { type: "button", class: kind, "data-command": name, disabled }, el("kbd", { "aria-hidden": "true" }, shown(name)),
    el("span", {}, text, detail && el("small", { dir: "auto" }, detail)));
  made.addEventListener("click", () => {
    COMMANDS[name].run();
    if (document.activeElement === made) stage.focus({ preventScroll: true });
  });
  return made;
}

export function pressable(text, run) {
  const made = el("button", { type: "button", class: "wb-small wb-strong" }, text);
  made.addEventListener("click", run);
  return made;
}

function optionButtons(task, question) {
  const kind = kindOf(question);
  const value = desk.chosen[question.name];
  const single = asked(task).length === 1 && question.kind !== "choices" && question.kind !== "spans" && !desk.mine;
  return kind.options(question).map((option, index) => {
    const chosen = kind.chosen ? kind.chosen(question, value, option) : Array.isArray(value) ? value.includes(option.value) : value === option.value;
    const made = el("button", { type: "button", class: `wb-option${question.kind === "spans" ? ` wb-labels wb-label-${index % 6}` : ""}`, "aria-pressed": single || question.kind === "spans" ? false : String(chosen) },
      el("kbd", { "aria-hidden": "true" }, optionKey(question, option, index)), el("span", { dir: "auto" }, option.label));
    made.addEventListener("click", () => choose(index));
    return made;
  });
}

function decideButtons(task, yes, no) {
  if (isDisputed(task)) return takeButtons(task);
  if (desk.mine) {
    return el("div", { class: "wb-decide" },
      button("accept", "Take the machine's", { kind: "wb-accept", detail: yes ? outcome(task, yes).words : "" }),
      button("record", "Keep mine", { kind: "wb-keep", detail: outcome(task, desk.chosen).words }));
  }
  if (veiled(task)) return el("div", { class: "wb-decide" }, button("accept", "Show the proposal", { kind: "wb-keep" }));
  // Once the person has an answer of their own there is nothing left to agree with, unless other questions are open.
  const own = asked(task).length > 1 ? asked(task).every((one) => desk.chosen[one.name] !== undefined) : Object.keys(desk.chosen).length > 0;
  const rewritten = written(task).some((one) => one.kind === "edit" && (desk.drafts[task.task_id]?.[one.name] ?? baseOf(task, one)) !== baseOf(task, one));
  if (own || (!asked(task).length && rewritten) || (!yes && !no)) return null;
  const text = Object.keys(desk.chosen).length ? "Agree with the rest" : "Agree";
  return el("div", { class: "wb-decide" },
    yes && button("accept", text, { kind: "wb-accept", detail: outcome(task, yes).words }),
    no && button("reject", "Opposite", { kind: "wb-reject", detail: outcome(task, no).words }));
}

/** Whether recording without a choice is an answer: that there is none. Never where something is proposed that it would pass over. */
const mayBeEmpty = (question, task) => Boolean(question && desk.chosen[question.name] === undefined && kindOf(question).empty?.(question) !== undefined && !(question.name in proposalOf(task)));

function hint(task) {
  if (Object.keys(desk.chosen).length || Object.keys(proposalOf(task)).length) return "";
  const question = focused();
  if (question && kindOf(question).empty?.(question) !== undefined) return `No machine proposed an answer. Choose, or ${shown("record")}: there is none.`;
  if (question) return "No machine proposed an answer: choose one.";
  return whole(task, {}) ? "" : "Write the answer.";
}

export function barParts(task) {
  if (desk.past) {
    const back = el("button", { type: "button", class: "wb-small" }, el("kbd", {}, "esc"), el("span", {}, "Back to the current item"));
    back.addEventListener("click", backToCurrent);
    const decision = desk.decisions[desk.pastIndex];
    const undone = decision.undone || !["answered", "skipped"].includes(decision.kind);
    return [el("div", { class: "wb-row" }, button("undo", "Undo this decision", { disabled: undone }), button("older", "Older"), button("newer", "Newer"), back)];
  }
  const questions = asked(task);
  const question = focused();
  const yes = acceptance(task);
  const no = rejection(task);
  const several = questions.length > 1;
  const complete = whole(task, desk.chosen) && (Object.keys(desk.chosen).length > 0 || !questions.length);
  const records = several || !questions.length || !["choice", "bool"].includes(question.kind);
  const own = question ? (kindOf(question).buttons?.(question) ?? []).map(([name, text]) => button(name, text, { kind: "wb-small" })) : [];
  return [
    decideButtons(task, yes, no) ?? (hint(task) && el("p", { class: "wb-none" }, hint(task))),
    el("div", { class: "wb-rest" },
      el("div", { class: "wb-row wb-options", role: "group", "aria-label": question?.prompt ?? "Answers" },
        several && el("small", { class: "wb-which" }, `question ${desk.question + 1} of ${questions.length}`),
        own, question && optionButtons(task, question),
        records && !desk.mine && button("record", "Record", { disabled: !complete && !mayBeEmpty(question, task), detail: complete ? outcome(task, desk.chosen).words : "" })),
      el("div", { class: "wb-row wb-tools" }, button("skip", "Skip"), button("undo", "Undo"), button("flag", task.flagged ? "Unflag" : "Flag"), button("escalate", "Escalate"),
        task.harmful && button("reveal", task.shown ? "Hide" : "Show"), button("guideline", "Guideline"), button("older", "History"), button("help", "Help"))),
  ].filter(Boolean);
}
