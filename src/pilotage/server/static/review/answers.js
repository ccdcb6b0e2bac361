// What is asked about an item, what a machine proposes, and what would be recorded: pure functions of the desk's state.

import { current, desk, rubricOf } from "./desk.js";
import { kindOf } from "./kinds/registry.js";
import { textAt } from "./payload.js";

/** The questions of the task: those of the rubric that are this person's to answer. */
const questionsOf = (task) => rubricOf(task).questions.filter((question) => !task.questions?.length || task.questions.includes(question.name)).map((question) => inDispute(task, question));

/** What is disputed is decided, also where it could be left out before. */
const inDispute = (task, question) => (task.context?.questions?.includes(question.name) && question.name !== "correction" ? Object.assign(disputes[`${task.rubric_id} ${question.name}`] ??= { ...question }, { required: true }) : question);
const disputes = {};

/** Questions answered one after the other, with keys. */
export const asked = (task) => questionsOf(task).filter((question) => !kindOf(question).written);

/** Questions answered in a field of text. */
export const written = (task) => questionsOf(task).filter((question) => kindOf(question).written);

export const mustAnswer = (question) => question.required ?? !["text", "edit"].includes(question.kind);

/** What a machine proposes and may be shown now: {question: value}. The item's own verdict counts where it is one of the options. */
export function proposalOf(task) {
  const first = asked(task)[0];
  const proposal = { ...(task.suggestion ?? {}) };
  if (task.answer_first && !task.committed) return {};
  const verdict = task.payload?.verdict?.value;
  if (first && !(first.name in proposal) && kindOf(first).options(first).some((option) => !option.strength && option.value === verdict)) proposal[first.name] = verdict;
  const correction = task.payload?.proposed_correction;
  if (!("correction" in proposal) && correction && written(task).some((question) => question.name === "correction")) proposal.correction = correction;
  return proposal;
}

/** Evidence first: the proposal is kept back until the person has looked and asked for it. */
export const veiled = (task) => Boolean(task.evidence_first && !desk.unveiled && !desk.past && Object.keys(proposalOf(task)).length);

/** What a text is a correction of: the proposal, or the part of the item the question names. */
export function baseOf(task, question) {
  const proposed = proposalOf(task)[question.name];
  if (proposed !== undefined) return proposed;
  return question.kind === "edit" && question.of ? (textAt(task.payload, question.of) ?? "") : "";
}

export const say = (question, value, task) => kindOf(question).say(question, value, task);

/** The same beside the question's own words, which need not be said again. */
export const brief = (question, value, task) => (kindOf(question).brief ?? kindOf(question).say)(question, value, task);

/** What would be recorded for `answers`: the answers, the texts that go with them, and both in words. */
export function outcome(task, answers) {
  const drafts = desk.drafts[task.task_id] ?? {};
  const sent = { ...answers };
  const parts = asked(task).filter((question) => answers[question.name] !== undefined).map((question) => say(question, answers[question.name], task));
  for (const question of written(task)) {
    const base = baseOf(task, question);
    const text = (drafts[question.name] ?? (question.kind === "edit" || question.name === "correction" ? base : "")).trim();
    const unchanged = text === base.trim();
    if (question.kind === "edit") {
      if (!text || (unchanged && !mustAnswer(question) && asked(task).length && !("correction" in answers))) continue;
      sent[question.name] = text;
      parts.push(unchanged ? "text as it is" : "your text");
    } else if (question.name !== "correction") {
      if (!text) continue;
      sent[question.name] = text;
      if (!asked(task).length) parts.push("your text");
    } else {
      const failing = !("failure" in answers) || answers.failure === "yes" || answers.failure === true;
      if (!failing) continue;
      if (text) sent.correction = text;
      parts.push(!text ? "no correction" : unchanged ? "correction as proposed" : "your correction");
    }
  }
  return { sent, words: parts.join(", ") };
}

/** Whether nothing that must be answered is missing. */
export function whole(task, answers) {
  const { sent } = outcome(task, answers);
  return asked(task).every((question) => (question.name in answers && answers[question.name] !== undefined ? kindOf(question).ready(question, answers[question.name], task) : !mustAnswer(question))) &&
    written(task).every((question) => !mustAnswer(question) || Boolean(sent[question.name]));
}

/** What agreeing records: the proposal, with what the person already answered otherwise. After a commitment: the machine's answer as it is. */
export function acceptance(task) {
  const proposal = proposalOf(task);
  const questions = asked(task);
  const answers = {};
  for (const question of questions) {
    const value = desk.mine ? (proposal[question.name] ?? desk.chosen[question.name]) : (desk.chosen[question.name] ?? proposal[question.name]);
    if (value !== undefined) answers[question.name] = value;
  }
  const proposed = questions.some((question) => question.name in proposal) || (!questions.length && written(task).some((question) => question.kind === "edit" && baseOf(task, question)));
  return proposed && whole(task, answers) ? answers : null;
}

/** The one answer that contradicts the proposal, where there is exactly one. */
export function rejection(task) {
  const [question, ...more] = asked(task);
  if (!question || more.length || desk.mine) return null;
  const proposed = proposalOf(task)[question.name];
  const value = proposed === undefined ? undefined : kindOf(question).opposite?.(question, proposed);
  return value === undefined ? null : { [question.name]: value };
}

/** Whether two answers say the same. */
export const alike = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** The question in focus. */
export const focused = () => (current() ? asked(current())[desk.question] : undefined);
