// What a person does with an item: answer, skip, undo, flag, escalate, look back.

import { alike, asked, acceptance, focused, mustAnswer, outcome, proposalOf, rejection, say, veiled, whole, written } from "./answers.js";
import { clock } from "./clock.js";
import { askFor } from "./dialogs.js";
import { current, desk, PREFETCH, putBack, refill, setBegun, setDrafts } from "./desk.js";
import { announce, beside, keep, plural, PREFIX, problem, stage } from "./dom.js";
import { shown } from "./keys.js";
import { kindOf } from "./kinds/registry.js";
import { hooks, outbox } from "./outbox.js";
import { redraw, show, showHistory, status, titleOf } from "./screen.js";
import { call, Unreachable } from "./server.js";

const RECENT = 20;
const COMMIT_MS = 4_000;

// ---------------------------------------------------------------- answering

/** The ask of a question: what its kind needs to draw it and to take keys. See kinds/registry.js. */
export function askOf(task, question, live = true) {
  const past = desk.past === task ? desk.decisions[desk.pastIndex] : null;
  const answers = past ? past.answers ?? {} : desk.chosen;
  return {
    question,
    task,
    live: live && !past,
    view: (desk.view[question.name] ??= {}),
    get value() {
      return answers === desk.chosen || past ? (past ? answers : desk.chosen)[question.name] : desk.chosen[question.name];
    },
    proposed: past || veiled(task) ? undefined : proposalOf(task)[question.name],
    give: (value, how) => give(task, question, value, how),
    redraw,
    note: announce,
  };
}

const askNow = () => {
  const question = focused();
  return question && !desk.past ? askOf(current(), question) : null;
};

function give(task, question, value, { done = false, quiet = false } = {}) {
  if (task !== current()) return;
  desk.chosen = { ...desk.chosen };
  if (value === undefined) delete desk.chosen[question.name];
  else desk.chosen[question.name] = value;
  setBegun(task, desk.chosen);
  if (quiet) return redraw({ stage: false });
  const questions = asked(task);
  if (done && questions.length === 1 && !desk.mine && whole(task, desk.chosen)) return void record(desk.chosen);
  if (done && questions.length > 1) return onward(task, question);
  redraw();
}

/** To the next question without an answer, the ones after this first. */
function onward(task, question) {
  const questions = asked(task);
  const here = questions.indexOf(question);
  const order = [...questions.slice(here + 1), ...questions.slice(0, here + 1)];
  const open = order.find((one) => desk.chosen[one.name] === undefined && mustAnswer(one)) ?? order.find((one) => desk.chosen[one.name] === undefined);
  const said = `${say(question, desk.chosen[question.name], task)}.`;
  desk.question = open ? questions.indexOf(open) : Math.min(here + 1, questions.length - 1);
  redraw();
  announce(`${said} ${open ? open.prompt : `All questions are answered: ${shown("record")} records.`}`);
}

export function choose(index) {
  const ask = askNow();
  if (!ask) return;
  const kind = kindOf(ask.question);
  if (index >= (kind.digits?.(ask) ?? kind.options(ask.question).length)) return;
  kind.press?.(ask, index);
}

/** A command that means something to the kind in focus, such as the first of a pair. */
export function ofKind(name, event) {
  const ask = askNow();
  const run = ask && kindOf(ask.question).commands?.[name];
  if (!run) return announce("This key means nothing for this question.");
  const again = desk.view.lastCommand === name && !event?.repeat;
  desk.view.lastCommand = name;
  run(ask, again);
}

/** Whether the kind in focus used the key. */
export function moved(event) {
  const ask = askNow();
  return Boolean(ask && kindOf(ask.question).keydown?.(ask, event));
}

export function toQuestion(index) {
  const task = current();
  if (!task || desk.past) return;
  const questions = asked(task);
  desk.question = Math.max(0, Math.min(questions.length - 1, index));
  redraw();
  announce(questions[desk.question]?.prompt ?? "");
}

/** Agree with what is proposed; where evidence comes first, the first press shows it. */
export function accept() {
  const task = current();
  if (!task || desk.past) return;
  if (veiled(task)) {
    desk.unveiled = true;
    redraw();
    return announce(`A machine proposes: ${asked(task).filter((one) => one.name in proposalOf(task)).map((one) => say(one, proposalOf(task)[one.name], task)).join(", ")}. ${shown("accept")} again agrees.`);
  }
  const answers = acceptance(task);
  if (!answers) return announce("There is nothing to agree with: choose an answer.");
  const same = asked(task).some((one) => one.name in proposalOf(task) && alike(answers[one.name], proposalOf(task)[one.name]));
  if (same && task.reason_on_accept) return askFor("Why is the proposal right?", "A short reason is asked for where an error would cost much.", (reason) => record(answers, { reason }));
  record(answers);
}

export function reject() {
  const task = current();
  if (!task || desk.past) return;
  if (desk.mine) return record(desk.chosen);
  if (veiled(task)) return announce("The proposal is not shown yet: choose an answer.");
  const answers = rejection(task);
  if (!answers) return announce("There is no one opposite here: choose an answer.");
  record(answers);
}

/** Record what was chosen. An empty answer is one where the question says so, and nothing is proposed that it would pass over. */
export function recordChosen() {
  const task = current();
  if (!task || desk.past) return;
  const ask = askNow();
  if (ask && ask.value === undefined) {
    const empty = kindOf(ask.question).empty?.(ask.question);
    if (empty !== undefined && ask.proposed === undefined) {
      desk.chosen = { ...desk.chosen, [ask.question.name]: empty };
      if (!whole(task, desk.chosen)) return onward(task, ask.question);
    }
  }
  const anything = Object.keys(desk.chosen).length || written(task).some((one) => outcome(task, {}).sent[one.name] && desk.drafts[task.task_id]);
  if (anything && whole(task, desk.chosen)) return record(desk.chosen);
  const open = asked(task).findIndex((one) => mustAnswer(one) && !(desk.chosen[one.name] !== undefined && kindOf(one).ready(one, desk.chosen[one.name], task)));
  if (open >= 0 && asked(task).length > 1) return toQuestion(open);
  announce(acceptance(task) ? `${shown("accept")} agrees with the proposal; or choose an answer.` : "Not everything is answered yet.");
}

/** Send the answer on its way and go on. Where the machine's proposal comes after the person's own answer, that answer is committed to first. */
export async function record(answers, { reason = null } = {}) {
  const task = current();
  if (!task || desk.past || desk.busy || !answers) return;
  const decided = outcome(task, answers);
  const { correction, ...rest } = decided.sent;
  if (task.answer_first && !task.committed && (await commit(task, answers, rest))) return;
  if (task !== current()) return;
  const proposal = proposalOf(task);
  const name = outbox.put("answer", {
    task_id: task.task_id,
    answers: rest,
    correction: correction ?? null,
    suggestion: Object.keys(proposal).length ? proposal : null,
    reason,
    ...clock.told(),
  });
  desk.answered += 1;
  moveOn(task, { kind: "answered", said: decided.words, name, answers });
}

/** Commit to `answers`; true if the proposal is shown now and the person decides once more. Without a connection the answer goes on as it is. */
async function commit(task, answers, sent) {
  desk.busy = true;
  let told = null;
  const body = { task_id: task.task_id, answers: sent, ...clock.told() };
  try {
    const key = outbox.key();
    told = await Promise.race([
      call("POST", "commit", { ...body, idempotency_key: key }),
      new Promise((_, reject) => setTimeout(() => reject(new Unreachable("The server is slow.")), COMMIT_MS)),
    ]);
  } catch (error) {
    if (!(error instanceof Unreachable)) {
      problem(`Not recorded: ${error.message}`);
      return true;
    }
    outbox.put("commit", body);
  } finally {
    desk.busy = false;
  }
  task.committed = true;
  if (task !== current()) return true;
  const suggestion = told?.suggestion ?? null;
  if (!suggestion) return false;
  task.suggestion = suggestion;
  task.suggestions_by = told.suggestions_by ?? null;
  if (Object.entries(suggestion).every(([name, value]) => alike(value, sent[name]))) return false;
  desk.mine = answers;
  desk.chosen = { ...answers };
  redraw();
  const said = asked(task).filter((one) => one.name in suggestion).map((one) => say(one, suggestion[one.name], task)).join(", ");
  announce(`You said ${outcome(task, answers).words}. A machine says ${said}. ${shown("record")} keeps yours, ${shown("accept")} takes the machine's.`);
  return true;
}

function moveOn(task, { kind, said, name, answers }) {
  desk.ready.shift();
  const drafts = desk.drafts[task.task_id];
  desk.seen.set(task.task_id, task);
  if (desk.seen.size > RECENT) desk.seen.delete(desk.seen.keys().next().value);
  desk.decisions.unshift({ task_id: task.task_id, kind, said, name, drafts, answers, undone: false, title: titleOf(task) });
  delete desk.drafts[task.task_id];
  keep.write(sessionStorage, `${PREFIX}.drafts`, desk.drafts);
  setBegun(task, null);
  problem("");
  show();
  const next = current();
  announce(`${kind === "answered" ? `Recorded: ${said}` : kind === "skipped" ? "Skipped" : "Escalated"}. ${next ? `Next: ${titleOf(next)}` : "Nothing more is ready."}`);
  if (desk.ready.length < PREFETCH - 1) refill();
}

export function skip() {
  const task = current();
  if (!task || desk.past) return;
  moveOn(task, { kind: "skipped", said: "skipped", name: outbox.put("skip", { task_id: task.task_id }) });
}

export function escalate() {
  const task = current();
  if (!task || desk.past) return;
  askFor("Why should somebody else decide?", "It goes to the people this project names for hard cases, with your words.", (reason) => {
    if (task === current()) moveOn(task, { kind: "escalated", said: "escalated", name: outbox.put("escalate", { task_id: task.task_id, reason }) });
  });
}

export async function undo(decision) {
  decision ??= desk.past ? desk.decisions[desk.pastIndex] : desk.decisions.find((one) => !one.undone && ["answered", "skipped"].includes(one.kind));
  if (!decision || decision.undone || !["answered", "skipped"].includes(decision.kind)) return announce("There is nothing to undo.");
  let task;
  try {
    task = await taskOf(decision);
  } catch (error) {
    return problem(`This cannot be undone now: ${error.message}`);
  }
  decision.undone = true;
  if (!decision.name || !outbox.cancel(decision.name)) outbox.put("undo", { task_id: decision.task_id });
  if (decision.kind === "answered") desk.answered = Math.max(0, desk.answered - 1);
  putBack(task, { drafts: decision.drafts, answers: decision.answers });
  announce(`Undone: ${decision.said}. The item is here again.`);
}

async function taskOf(decision) {
  const seen = desk.seen.get(decision.task_id);
  if (seen) return seen;
  const got = await call("GET", `tasks/${encodeURIComponent(decision.task_id)}`);
  Object.assign(desk.rubrics, got.rubrics);
  return got.task;
}

export function flag() {
  const task = current();
  if (!task || desk.past) return;
  task.flagged = !task.flagged;
  outbox.put("flag", { task_id: task.task_id, flagged: task.flagged });
  redraw();
  announce(task.flagged ? "Flagged: somebody will look into this item." : "The flag is lifted.");
}

export function reveal() {
  const task = desk.past ?? current();
  if (!task?.harmful) return announce("Nothing is hidden here.");
  task.shown = !(task.shown ?? false);
  if (task.shown && !task.revealed) {
    task.revealed = true;
    outbox.put("reveal", { task_id: task.task_id });
  }
  redraw();
  announce(task.shown ? "The text is shown. That it was uncovered is on record." : "The text is hidden.");
}

// ---------------------------------------------------------------- writing

/** Start the right answer: from the proposal where the kind can be corrected in place, else in the field of the text. */
export function edit() {
  const task = current();
  if (!task || desk.past) return;
  if (desk.editing) return beside.querySelector("textarea")?.focus();
  if (!written(task).length) {
    const proposal = veiled(task) ? {} : proposalOf(task);
    const open = asked(task).filter((one) => one.name in proposal && desk.chosen[one.name] === undefined);
    if (!open.length) return announce("There is nothing to correct here: choose an answer.");
    desk.chosen = { ...desk.chosen, ...Object.fromEntries(open.map((one) => [one.name, structuredClone(proposal[one.name])])) };
    setBegun(task, desk.chosen);
    redraw();
    return announce(`The proposal is yours to put right now: ${shown("record")} records.`);
  }
  desk.editing = true;
  desk.before = desk.drafts[task.task_id] ?? null;
  redraw();
  const field = beside.querySelector("textarea");
  field?.focus();
  field?.scrollIntoView({ block: "nearest" });
}

export function endEdit(saved) {
  const task = current();
  if (!saved && task) setDrafts(task, desk.before);
  desk.editing = false;
  // Where the text is all there is to answer, keeping it is answering.
  if (saved && task && !asked(task).length && whole(task, {}) && Object.keys(outcome(task, {}).sent).length) return void record({});
  redraw();
  stage.focus({ preventScroll: true });
  announce(saved ? "The text is kept; it is recorded with your answer." : "The text is as it was.");
}

// ---------------------------------------------------------------- looking back

export async function look(step) {
  const index = Math.max(-1, Math.min(desk.decisions.length - 1, desk.pastIndex + step));
  if (index === desk.pastIndex) return announce(index < 0 ? "You are at the current item." : "There is nothing older here.");
  if (index < 0) return backToCurrent();
  const decision = desk.decisions[index];
  try {
    desk.past = await taskOf(decision);
  } catch (error) {
    return problem(`This item cannot be shown now: ${error.message}`);
  }
  desk.pastIndex = index;
  show();
  announce(`Looking back: ${decision.said}${decision.undone ? ", undone" : ""}. ${shown("undo")} undoes it, Escape returns.`);
}

export function backToCurrent() {
  desk.past = null;
  desk.pastIndex = -1;
  show();
}

export async function flush() {
  await outbox.flush();
  const left = outbox.size;
  announce(left ? `${plural(left, "decision")} could not be sent yet; they are kept and tried again.` : "Everything is sent.");
}

// ---------------------------------------------------------------- what the server says to it

hooks.changed = status;
hooks.emptied = () => refill();
hooks.refused = (entry, error) => {
  const { what, mend } = error.told;
  problem(`Not recorded: ${what ?? error.message}${mend ? ` (${mend})` : ""}`);
  announce(`Not recorded: ${what ?? error.message}`);
  const decision = desk.decisions.find((one) => one.task_id === entry.body.task_id);
  if (decision && entry.op === "answer") {
    decision.kind = "refused";
    desk.answered = Math.max(0, desk.answered - 1);
  }
  if (error.status === 422 && desk.seen.has(entry.body.task_id)) putBack(desk.seen.get(entry.body.task_id), { drafts: decision?.drafts, answers: decision?.answers });
  showHistory();
};
