// Showing: the item on the stage, what belongs to the decision beside it, the status line.

import { askOf, flush } from "./deciding.js";
import { asked, focused, proposalOf, say } from "./answers.js";
import { barParts, pressable } from "./bar.js";
import { besideParts } from "./beside.js";
import { othersCard } from "./adjudication.js";
import { clock } from "./clock.js";
import { contractChangeParts } from "./contract_change.js";
import { callItem, turns } from "./conversation.js";
import { current, desk, refill, rubricOf, setBegun } from "./desk.js";
import { actions, beside, el, pilot, plural, purpose, queue, root, stage, textOf, words, $ } from "./dom.js";
import { showGuideline } from "./guideline.js";
import { showHistory } from "./history.js";
import { kindOf } from "./kinds/registry.js";
import { noticeParts, seen } from "./notices.js";
import { outbox } from "./outbox.js";
import { at, talkOf } from "./payload.js";

export { showHistory };

/** Show what is on top of the desk, from its beginning. */
export function show() {
  const task = desk.past ?? current();
  desk.chosen = task && !desk.past ? { ...(desk.begun[task.task_id] ?? {}) } : {};
  desk.question = 0;
  desk.view = {};
  desk.editing = false;
  desk.mine = null;
  desk.unveiled = false;
  clock.restart();
  draw(task);
  if (!$("wb-help").open && !$("wb-ask").open) stage.focus({ preventScroll: true });
  afterDraw(task);
  if (task && !desk.past) seen(task);
  scrollTo({ top: 0 });
}

/** Draw the same item again after a change. `stage: false` leaves what is being typed into alone. */
export function redraw({ focus = true, stage: all = true } = {}) {
  const task = desk.past ?? current();
  draw(task, all);
  if (focus && all && !desk.editing && !$("wb-help").open && !$("wb-ask").open) stage.focus({ preventScroll: true });
  if (all) afterDraw(task);
}

function draw(task, all = true) {
  if (all) {
    stage.replaceChildren(...(task ? taskParts(task) : [emptyCard()]));
    beside.replaceChildren(...(task ? besideParts(task) : []));
  }
  drawActions();
  showHistory();
  showGuideline();
  status();
}

export function drawActions() {
  const task = desk.past ?? current();
  actions.hidden = !task;
  if (task) actions.replaceChildren(...barParts(task));
}

function afterDraw(task) {
  const question = task && !desk.past ? focused() : null;
  if (question) kindOf(question).after?.(askOf(task, question), stage);
}

export function status() {
  const waiting = Math.max(desk.ready.length, desk.base.left - (desk.answered - desk.base.answered));
  const away = outbox.waitMs > 0 || navigator.onLine === false;
  $("wb-status").textContent = `${desk.answered} done, ${waiting}${desk.base.more ? " or more" : ""} waiting, outbox ${outbox.size}${away ? ": no connection, your answers are kept here" : ""}`;
  root.classList.toggle("wb-away", away);
}

export function titleOf(task) {
  const { payload } = task;
  const talk = talkOf(payload).turns;
  const text = textOf(task.kind === "contract_change" ? payload?.title : payload?.objective?.prompt ?? payload?.objective ?? payload?.question ?? payload?.prompt ?? payload?.text ?? talk.find((turn) => turn.role === "user")?.content);
  const line = (task.harmful ? `${words(task.why[0] ?? task.kind)} ${task.item_id.slice(-6)}` : text.split("\n")[0]) || `${task.kind} ${task.item_id.slice(-6)}`;
  return line.length > 70 ? `${line.slice(0, 69)}…` : line;
}

export function tagsOf(task) {
  const tags = [...new Set([...task.why, ...Object.values(task.slices ?? {})].map(words))];
  return el("div", { class: "wb-tags" }, tags.map((tag) => el("span", { class: "wb-tag" }, tag)), task.flagged && el("span", { class: "wb-tag wb-flag" }, "flagged"));
}

export function pastNote() {
  const past = desk.past ? desk.decisions[desk.pastIndex] : null;
  return past && el("p", { class: "wb-past" }, `Looking back: you recorded “${past.said}”${past.undone ? ", and undid it" : ""}.`);
}

// What is known to every rubric of ours, with the words it is called by.
const FACTS = [["objective", "Objective"], ["technique", "Technique"], ["clause", "Clause"], ["question", "Question"], ["reference", "Reference answer"], ["prompt", "Prompt"]];
const TEXTS = ["text", "context", "input", "draft", "response", "output", "answer"]; // fields that are read, not looked up
const APART = ["tool_calls", "verdict", "proposed_correction", "authors"];

function taskParts(task) {
  if (task.kind === "contract_change") return contractChangeParts(task).concat(noticeParts(task));
  const payload = task.payload ?? {};
  const hidden = task.harmful && !task.shown;
  const { name: talkName, turns: talk } = talkOf(payload);
  const questions = asked(task);
  const focus = questions[desk.question];
  // The question in focus draws the item's material; where it has none to draw, the first question that has.
  const drawing = [focus, ...questions].find((question) => question && kindOf(question).draw);
  const material = drawing && kindOf(drawing).draw(askOf(task, drawing, drawing === focus));
  const used = new Set(questions.flatMap((question) => kindOf(question).uses?.(question) ?? []));
  const isUsed = (name) => used.has(name);
  const facts = FACTS.filter(([name]) => !isUsed(name) && payload[name] != null && payload[name] !== "").map(([name, label]) => {
    const value = name === "objective" ? payload[name]?.prompt ?? payload[name] : name === "technique" ? words(payload[name].name ?? payload[name]) : payload[name];
    const veil = hidden && ["objective", "prompt"].includes(name);
    return [el("dt", {}, label), el("dd", { dir: "auto", class: veil ? "wb-blurred" : false, "aria-hidden": veil ? "true" : false }, textOf(value))];
  });
  const texts = TEXTS.filter((name) => !isUsed(name) && typeof payload[name] === "string" && payload[name]).map((name) => {
    const body = el("div", { class: "wb-text", dir: "auto" });
    body.textContent = payload[name];
    return el("section", { class: `wb-reading${hidden ? " wb-blurred" : ""}`, "aria-hidden": hidden ? "true" : false }, el("h3", {}, words(name)), body);
  });
  const rest = Object.entries(payload).filter(([name]) => name !== talkName && !isUsed(name) && !APART.includes(name) && !FACTS.some(([known]) => known === name) && !(TEXTS.includes(name) && typeof payload[name] === "string"));
  const about = turnOf(task, focus, talkName, talk);
  const talkPart = talk.length > 0 && turns(talk, { judged: about >= 0 ? about : talk.findLastIndex((turn) => turn.role === "assistant"), note: about >= 0 ? "what the question is about" : "the reply in question", label: talkName === "trajectory" ? "Trajectory" : "Conversation" });
  if (talkPart && hidden) {
    talkPart.classList.add("wb-blurred");
    talkPart.setAttribute("aria-hidden", "true");
  }
  const calls = payload.tool_calls ?? [];
  return [
    ...noticeParts(task),
    pastNote(),
    el("section", { class: "wb-card", "aria-labelledby": "wb-prompt" },
      tagsOf(task),
      el("h2", { id: "wb-prompt", dir: "auto" }, focus?.prompt ?? writtenPrompt(task)),
      about >= 0 && el("p", {}, el("a", { href: `#turn-${about + 1}` }, `About turn ${about + 1}`)),
      facts.length > 0 && el("dl", { class: "wb-facts" }, facts),
      hidden && el("p", { class: "wb-veil" }, "This may be upsetting, so it is blurred. ", revealButton(), " Showing it is put on record."),
      texts,
      talkPart,
      calls.length > 0 && el("div", { class: `wb-acts${hidden ? " wb-blurred" : ""}`, "aria-hidden": hidden ? "true" : false }, el("h3", {}, "Actions it took"), calls.map(callItem)),
      rest.length > 0 && el("details", { class: "wb-more" }, el("summary", {}, "More about this item"),
        el("dl", { class: "wb-facts" }, rest.map(([name, value]) => [el("dt", {}, words(name)), el("dd", { dir: "auto" }, textOf(value))])))),
    material && (hidden ? veil(material) : material),
    othersCard(task),
  ].filter(Boolean);
}

const writtenPrompt = (task) => rubricOf(task).questions.find((question) => !task.questions?.length || task.questions.includes(question.name))?.prompt ?? "Look at this item";

function revealButton() {
  const made = el("button", { type: "button", class: "wb-small", "data-command": "reveal" }, "Show it");
  made.addEventListener("click", () => import("./deciding.js").then((deciding) => deciding.reveal()));
  return made;
}

function veil(part) {
  part.classList.add("wb-blurred");
  part.setAttribute("aria-hidden", "true");
  part.inert = true;
  return part;
}

/** Which turn the question is of, or -1. */
function turnOf(task, question, talkName, talk) {
  const [field, index] = (question?.of ?? "").split(".");
  if (!talkName || field !== talkName || !/^-?\d+$/.test(index ?? "")) return -1;
  const turn = at(task.payload, `${field}.${index}`);
  return turn ? talk.indexOf(turn) : -1;
}

// Why nothing is handed out although work waits.
const LIMITS = {
  paused: () => "The project is paused.",
  qualification: () => ["This project asks for an exam first: ", el("a", { href: `/review/me/exams/${encodeURIComponent(queue)}` }, "begin it, or finish it here"), "."],
  per_day: () => "You have done what this project gives one person a day. Thank you; more tomorrow.",
  at_once: () => "You hold as many items as this project gives one person at once.",
  break: (project) => `Time for a break${project?.break_for ? ` of ${project.break_for}` : ""}: tired eyes agree too easily. Items come back by themselves.`,
};

function emptyCard() {
  const standing = desk.standing;
  const lines = [];
  const offers = [];
  if (!standing) return el("section", { class: "wb-card wb-empty" }, el("h2", {}, "One moment"), el("p", {}, "Fetching what waits for you …"));
  if (standing.skipped) {
    offers.push(pressable("Take back what you skipped", () => refill({ skipped: true })));
    lines.push(el("li", {}, `You skipped ${plural(standing.skipped, "item")} that still ${standing.skipped === 1 ? "waits" : "wait"}.`));
  }
  if (standing.held) offers.push(pressable("Take over what you hold elsewhere", () => refill({ takeOver: true })));
  if (standing.held) lines.push(el("li", {}, `You hold ${plural(standing.held, "item")} in another window, or held ${standing.held === 1 ? "it" : "them"} in one you closed: free again within ten minutes.`));
  if (standing.held_by_others) lines.push(el("li", {}, `${plural(standing.held_by_others, "item")} are in other people's hands.`));
  if (standing.own_work) lines.push(el("li", {}, `${plural(standing.own_work, "item")} ${purpose ? "you answered yourself; somebody else decides them" : "are your own work; somebody else reviews them"}.`));
  for (const [role, count] of Object.entries(standing.other_roles)) lines.push(el("li", {}, `${plural(count, "item")} need a person with the role “${role}”.`));
  if (standing.other_skills) lines.push(el("li", {}, `${plural(standing.other_skills, "item")} need somebody examined for them.`));
  if (standing.limit) lines.unshift(el("li", { class: "wb-limit" }, LIMITS[standing.limit]?.(desk.project) ?? words(standing.limit)));
  const done = desk.answered > 0;
  const overview = purpose ? el("a", { href: `/review/adjudication?project=${encodeURIComponent(queue)}` }, "Back to adjudication") : el("a", { href: pilot ? `/pilots/${encodeURIComponent(pilot)}` : "/" }, "Go to the overview");
  return el("section", { class: "wb-card wb-empty" },
    el("h2", {}, done ? "Nothing more waits for you" : "Nothing waits for you here"),
    el("p", {}, done ? `You answered ${plural(desk.answered, "item")}.` : "Items come here when a run finds something that a person must look at.",
      lines.length || desk.base.left ? "" : " Run the pilot again to go on: what you decided is taken up from here."),
    lines.length > 0 && el("ul", {}, lines),
    el("p", { class: "wb-row" }, offers, overview),
    el("p", { class: "wb-none" }, "New items appear by themselves."));
}

export function showError(told) {
  const again = pressable("Try again now", () => {
    flush();
    refill();
  });
  stage.replaceChildren(el("section", { class: "wb-card wb-error", role: "alert" }, el("h2", {}, told.what),
    [told.where, told.why, told.mend].filter(Boolean).map((line) => el("p", { dir: "auto" }, line)), el("p", { class: "wb-row" }, again)));
  beside.replaceChildren();
  actions.hidden = true;
}
