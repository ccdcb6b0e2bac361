// What is on the desk: claimed items, of which the first is being looked at, what was decided, and what is half done.

import { announce, keep, newKey, PREFIX, problem, purpose, queue, root } from "./dom.js";
import { clock, IDLE_MS } from "./clock.js";
import { outbox, signInLink } from "./outbox.js";
import { show, showError, status } from "./screen.js";
import { call, Unreachable } from "./server.js";

export const PREFETCH = 3;
const RENEW_MS = 120_000; // leases last ten minutes
const POLL_MS = 20_000;

export const desk = {
  ready: [], // claimed tasks; the first is being looked at
  rubrics: {},
  project: null, // the queue's settings that concern who answers, where it has any
  seen: new Map(), // tasks decided on, so that undoing needs no network
  decisions: [], // newest first
  chosen: {}, // answers to the current task so far
  question: 0, // which question the keys answer
  view: {}, // where the caret is, and the like: of the question in focus, gone with the task
  editing: false,
  before: null, // the texts as they were before they were edited
  past: null, // a task of the history that is being looked at
  pastIndex: -1,
  mine: null, // answer-first: what was committed before the suggestion was shown
  unveiled: false, // evidence first: whether the suggestion is shown by now
  busy: false,
  answered: 0,
  base: { left: 0, more: false, answered: 0 }, // what the server last told, between two decisions
  standing: null,
  claiming: false,
  retry: 0,
  started: false,
  drafts: keep.read(sessionStorage, `${PREFIX}.drafts`, {}), // texts being written, by task
  begun: keep.read(sessionStorage, `${PREFIX}.begun`, {}), // answers being put together, by task
};

export const current = () => desk.ready[0] ?? null;
export const rubricOf = (task) => desk.rubrics[task.rubric_id] ?? { name: "", number: 0, guideline: "", questions: [] };

/** This page's name towards the server: what it claims stays its own through a reload or a lost reply. */
const HOLDER_KEY = `${PREFIX}.holder${purpose ? `.${purpose}` : ""}`;
const HOLDER = keep.read(sessionStorage, HOLDER_KEY, null) ?? newKey();
keep.write(sessionStorage, HOLDER_KEY, HOLDER);

/** Every task that is here: ready, or decided and on its way. */
function having() {
  const deciding = outbox.names().map((name) => outbox.get(name)).filter((entry) => entry && ["answer", "skip", "escalate"].includes(entry.op));
  return [...new Set([...desk.ready.map((task) => task.task_id), ...deciding.map((entry) => entry.body.task_id)])].slice(0, 200);
}

/** Claim until PREFETCH tasks are ready. `skipped`: those skipped before too; `takeOver`: those held in other windows too. */
export async function refill({ skipped = false, takeOver = false } = {}) {
  if (desk.claiming || outbox.signedOut || desk.ready.length >= PREFETCH) return;
  desk.claiming = true;
  clearTimeout(desk.retry);
  const changes = outbox.changes;
  try {
    const wanted = { n: PREFETCH - desk.ready.length, holder: HOLDER, having: having(), take_over: takeOver, skipped_too: skipped };
    const got = await call("POST", "claim", { queue, purpose: purpose || null, ...wanted });
    Object.assign(desk.rubrics, got.rubrics);
    desk.project = got.project ?? null;
    const known = new Set(desk.ready.map((task) => task.task_id));
    const empty = desk.ready.length === 0;
    // What was decided while this was on its way is not for the desk any more.
    for (const id of having()) known.add(id);
    desk.ready.push(...got.tasks.filter((task) => !known.has(task.task_id)));
    if (!desk.started || (changes === outbox.changes && !outbox.size)) {
      desk.answered = got.answered + outbox.pending("answer") - outbox.pending("undo");
      desk.base = { left: got.left, more: got.more, answered: got.answered };
    }
    desk.standing = got.standing;
    const begun = desk.started;
    desk.started = true;
    if (empty && !desk.past) {
      show();
      if (desk.ready.length && begun) announce("There is a new item.");
    }
    if (!desk.ready.length) desk.retry = setTimeout(() => refill(), POLL_MS);
  } catch (error) {
    if (error.status === 401) {
      problem("You are signed out. ", signInLink(), " to go on.");
    } else if (!(error instanceof Unreachable)) {
      showError(error.told ?? { what: error.message });
    } else {
      if (!desk.ready.length && !desk.past) showError({ what: error.message, mend: "it is tried again by itself; what you decided is kept" });
      desk.retry = setTimeout(() => refill(), Math.min(10_000, 1000 + outbox.waitMs));
    }
  } finally {
    desk.claiming = false;
    root.removeAttribute("aria-busy");
    status();
  }
}

/** A task comes back into the person's hands, with what they had written and chosen. */
export function putBack(task, { drafts, answers } = {}) {
  desk.ready = [task, ...desk.ready.filter((other) => other.task_id !== task.task_id)];
  if (drafts) setDrafts(task, drafts);
  if (answers) setBegun(task, answers);
  desk.past = null;
  desk.pastIndex = -1;
  show();
}

export function setDrafts(task, drafts) {
  if (drafts) desk.drafts[task.task_id] = drafts;
  else delete desk.drafts[task.task_id];
  keep.write(sessionStorage, `${PREFIX}.drafts`, desk.drafts);
}

/** What was chosen so far survives a reload: a page of marks is long work. */
export function setBegun(task, answers) {
  if (answers && Object.keys(answers).length) desk.begun[task.task_id] = answers;
  else delete desk.begun[task.task_id];
  keep.write(sessionStorage, `${PREFIX}.begun`, desk.begun);
}

setInterval(() => {
  // Whoever reads long keeps what they read.
  if (desk.ready.length && Date.now() - clock.last < IDLE_MS * 10) {
    call("POST", "claim", { queue, n: 0, holder: HOLDER, having: having() }).catch(() => {});
  }
}, RENEW_MS);
