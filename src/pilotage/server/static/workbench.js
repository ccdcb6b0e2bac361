// The answering loop: shows one item at a time, keeps the next ones ready, and sends what the person decides until the server has acknowledged it.
//
// Everything a model wrote goes into the page as text (textContent), never as markup. A decision is written to the outbox in localStorage before it is
// sent, under an idempotency key, so a lost connection or a closed page loses nothing and sending twice counts once.

const root = document.getElementById("workbench");
const { queue, workspace, login, pilot } = root.dataset;
const PREFIX = `pilotage.${workspace}.${login}.${queue}`;
const PREFETCH = 3;
const IDLE_MS = 30_000; // a longer pause is not counted as work
const RENEW_MS = 120_000; // leases last ten minutes
const POLL_MS = 20_000;
const RECENT = 20;
const UNDECIDED = new Set(["unclear", "unsure", "unknown", "undecided", "cannot_tell", "not_sure"]);

const $ = (id) => document.getElementById(id);
const stage = $("wb-stage");
const beside = $("wb-beside");
const actions = $("wb-actions");
const help = $("wb-help");

// ---------------------------------------------------------------- small things

/** An element with attributes and children; strings become text. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

/** The same for drawings: attributes and classes only, since the page's policy allows no inline style. */
function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat());
  return made;
}

const words = (code) => String(code).replaceAll("_", " ");
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

function textOf(value) {
  if (value == null) return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((part) => part && typeof part.text === "string")) return value.map((part) => part.text).join("\n");
  return JSON.stringify(value, null, 2);
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** JSON in a Storage; a browser that refuses to store is told apart from one that has nothing. */
const keep = {
  read(storage, name, otherwise) {
    try {
      return JSON.parse(storage.getItem(name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  write(storage, name, value) {
    try {
      storage.setItem(name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
};

function announce(text) {
  $("wb-announce").textContent = "";
  requestAnimationFrame(() => ($("wb-announce").textContent = text));
}

function problem(text, ...more) {
  const place = $("wb-problem");
  place.hidden = !text;
  place.replaceChildren(...(text ? [text, ...more] : []));
}

// ---------------------------------------------------------------- talking to the server

class Unreachable extends Error {}
class Refusal extends Error {
  constructor(status, told) {
    super(told.what ?? "The server refused this.");
    this.status = status;
    this.told = told;
  }
}

let csrf = document.querySelector('meta[name="csrf-token"]')?.content ?? "";

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api/v1/review/${path}`, {
      method,
      headers: { accept: "application/json", "x-csrf-token": csrf, ...(body ? { "content-type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Unreachable("The server cannot be reached.");
  }
  const told = await response.json().catch(() => ({}));
  if (response.ok) return told;
  if (response.status >= 500 || response.status === 429) throw new Unreachable(told.what ?? "The server is busy.");
  if (response.status === 403 && (await renewToken())) return call(method, path, body);
  throw new Refusal(response.status, told);
}

/** Whether this page's security token was out of date and has been replaced. */
async function renewToken() {
  try {
    const html = await (await fetch(location.pathname, { headers: { accept: "text/html" } })).text();
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector('meta[name="csrf-token"]')?.content;
    if (!fresh || fresh === csrf) return false;
    csrf = fresh;
    return true;
  } catch {
    throw new Unreachable("The server cannot be reached.");
  }
}

// ---------------------------------------------------------------- the outbox

/** Decisions on their way. One localStorage entry each, so that two tabs never overwrite each other; sent in order, one at a time. */
const outbox = {
  memory: new Map(), // what could not be stored
  sending: null,
  waitMs: 0,
  timer: 0,
  signedOut: false,
  last: 0,
  changes: 0, // counts what went in and out, so that figures fetched meanwhile are not trusted

  names() {
    const stored = [];
    try {
      for (let i = 0; i < localStorage.length; i++) {
        const name = localStorage.key(i);
        if (name.startsWith(`${PREFIX}.outbox.`)) stored.push(name);
      }
    } catch {
      // Storage is switched off: everything is in memory.
    }
    return [...new Set([...stored, ...this.memory.keys()])].sort();
  },
  get(name) {
    return this.memory.get(name) ?? keep.read(localStorage, name, null);
  },
  put(op, body) {
    // Names sort by the moment they were made, so the order survives a reload.
    this.last = Math.max(Date.now(), this.last + 1);
    const entry = { op, body: { ...body, idempotency_key: newKey() }, attempted: false };
    const name = `${PREFIX}.outbox.${String(this.last).padStart(15, "0")}.${entry.body.idempotency_key}`;
    if (!keep.write(localStorage, name, entry)) this.memory.set(name, entry);
    this.changes += 1;
    this.send();
    return name;
  },
  drop(name) {
    this.changes += 1;
    this.memory.delete(name);
    try {
      localStorage.removeItem(name);
    } catch {
      // Nothing was stored.
    }
  },
  /** Take back a decision the server cannot have seen. */
  cancel(name) {
    const entry = this.get(name);
    if (!entry || entry.attempted || this.sending === name) return false;
    this.drop(name);
    return true;
  },
  pending(op) {
    return this.names().filter((name) => this.get(name)?.op === op).length;
  },
  async send() {
    if (this.sending || this.signedOut) return status();
    clearTimeout(this.timer);
    let sent = false;
    for (let name; (name = this.names()[0]); ) {
      const entry = this.get(name);
      if (!entry) {
        this.drop(name);
        continue;
      }
      this.sending = name;
      status();
      if (!entry.attempted) {
        const tried = { ...entry, attempted: true };
        if (this.memory.has(name) || !keep.write(localStorage, name, tried)) this.memory.set(name, tried);
      }
      try {
        await call("POST", entry.op, entry.body);
        this.drop(name);
        this.waitMs = 0;
        sent = true;
      } catch (error) {
        this.sending = null;
        if (error instanceof Unreachable) {
          this.waitMs = Math.min(30_000, this.waitMs ? this.waitMs * 2 : 500);
          this.timer = setTimeout(() => this.send(), this.waitMs * (0.75 + Math.random() / 2));
          return status();
        }
        if (error.status === 401) {
          this.signedOut = true;
          problem("You are signed out. What you decided is kept on this machine and is sent once you ", signInLink(), ".");
          return status();
        }
        this.drop(name);
        refused(entry, error);
        continue;
      }
      this.sending = null;
    }
    status();
    if (sent) refill();
  },
  flush() {
    this.waitMs = 0;
    this.signedOut = false;
    return this.send();
  },
};

const signInLink = () => el("a", { href: `/login?next=${encodeURIComponent(location.pathname)}` }, "sign in again");

function refused(entry, error) {
  const { what, mend } = error.told;
  problem(`Not recorded: ${what ?? error.message}${mend ? ` (${mend})` : ""}`);
  announce(`Not recorded: ${what ?? error.message}`);
  const decision = desk.decisions.find((one) => one.task_id === entry.body.task_id);
  if (decision && entry.op === "answer") {
    decision.kind = "refused";
    desk.answered = Math.max(0, desk.answered - 1);
  }
  if (error.status === 422 && desk.seen.has(entry.body.task_id)) putBack(desk.seen.get(entry.body.task_id));
  showHistory();
}

// ---------------------------------------------------------------- what is on the desk

const desk = {
  ready: [], // claimed tasks; the first is being looked at
  rubrics: {},
  seen: new Map(), // tasks decided on, so that undoing needs no network
  decisions: [], // newest first
  chosen: {}, // answers to the current task so far
  question: 0, // which question the digits answer
  editing: false,
  before: null, // the texts as they were before they were edited
  past: null, // a task of the history that is being looked at
  pastIndex: -1,
  answered: 0,
  base: { open: 0, answered: 0 }, // what the server last told, between two decisions
  standing: null,
  claiming: false,
  retry: 0,
  started: false,
  drafts: keep.read(sessionStorage, `${PREFIX}.drafts`, {}),
};

const current = () => desk.ready[0] ?? null;
const rubricOf = (task) => desk.rubrics[task.rubric_id] ?? { name: "", number: 0, guideline: "", questions: [] };

/** This page's name towards the server: what it claims stays its own through a reload or a lost reply. */
const HOLDER = keep.read(sessionStorage, `${PREFIX}.holder`, null) ?? newKey();
keep.write(sessionStorage, `${PREFIX}.holder`, HOLDER);

/** Every task that is here: ready, or decided and on its way. */
function having() {
  const deciding = outbox.names().map((name) => outbox.get(name)).filter((entry) => entry && ["answer", "skip"].includes(entry.op));
  return [...new Set([...desk.ready.map((task) => task.task_id), ...deciding.map((entry) => entry.body.task_id)])].slice(0, 200);
}

/** Claim until PREFETCH tasks are ready. `skipped`: those skipped before too; `takeOver`: those held in other windows too. */
async function refill({ skipped = false, takeOver = false } = {}) {
  if (desk.claiming || outbox.signedOut || desk.ready.length >= PREFETCH) return;
  desk.claiming = true;
  clearTimeout(desk.retry);
  const changes = outbox.changes;
  try {
    const wanted = { n: PREFETCH - desk.ready.length, holder: HOLDER, having: having(), take_over: takeOver, skipped_too: skipped };
    const got = await call("POST", "claim", { queue, ...wanted });
    Object.assign(desk.rubrics, got.rubrics);
    const known = new Set(desk.ready.map((task) => task.task_id));
    const empty = desk.ready.length === 0;
    // What was decided while this was on its way is not for the desk any more.
    for (const id of having()) known.add(id);
    desk.ready.push(...got.tasks.filter((task) => !known.has(task.task_id)));
    if (!desk.started || (changes === outbox.changes && !outbox.names().length)) {
      desk.answered = got.answered + outbox.pending("answer") - outbox.pending("undo");
      desk.base = { open: got.counts.open, answered: got.answered };
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

function putBack(task, { drafts } = {}) {
  desk.ready = [task, ...desk.ready.filter((other) => other.task_id !== task.task_id)];
  if (drafts) setDrafts(task, drafts);
  desk.past = null;
  desk.pastIndex = -1;
  show();
}

setInterval(() => {
  // Whoever reads long keeps what they read.
  if (desk.ready.length && Date.now() - active.last < IDLE_MS * 10) {
    call("POST", "claim", { queue, n: 0, holder: HOLDER, having: having() }).catch(() => {});
  }
}, RENEW_MS);

// ---------------------------------------------------------------- active time

/** Milliseconds of work on the current task: time between signs of life, pauses over IDLE_MS and hidden tabs left out. Never shown. */
const active = {
  ms: 0,
  last: Date.now(),
  sign() {
    const now = Date.now();
    const pause = now - this.last;
    if (pause > 0 && pause <= IDLE_MS) this.ms += pause;
    this.last = now;
  },
  restart() {
    this.ms = 0;
    this.last = Date.now();
  },
};
for (const kind of ["keydown", "pointermove", "pointerdown", "wheel", "touchmove", "focusin"]) {
  addEventListener(kind, () => !document.hidden && active.sign(), { passive: true, capture: true });
}
document.addEventListener("visibilitychange", () => (document.hidden ? active.sign() : (active.last = Date.now())));

// ---------------------------------------------------------------- questions and proposals (pure)

const asked = (rubric) => rubric.questions.filter((question) => question.kind !== "text");
const written = (rubric) => rubric.questions.filter((question) => question.kind === "text");

function optionsOf(question) {
  if (question.kind === "choice") return question.options.map((option) => ({ ...option, label: option.label || words(option.value) }));
  if (question.kind === "bool") return [{ value: true, label: "Yes", key: "" }, { value: false, label: "No", key: "" }];
  const made = [];
  for (let value = Math.ceil(question.minimum); value <= question.maximum && made.length < 9; value++) made.push({ value, label: String(value), key: "" });
  return made;
}

/** What a machine proposes: {question: value}. The item's own verdict counts where it is one of the options. */
function proposalOf(task, rubric) {
  const proposal = { ...(task.suggestion ?? {}) };
  const first = asked(rubric)[0];
  const verdict = task.payload?.verdict?.value;
  if (first && !(first.name in proposal) && optionsOf(first).some((option) => option.value === verdict)) proposal[first.name] = verdict;
  const correction = task.payload?.proposed_correction;
  if (!("correction" in proposal) && correction && written(rubric).some((question) => question.name === "correction")) proposal.correction = correction;
  return proposal;
}

/** The one answer that contradicts the proposed one, if there is exactly one. */
function opposite(question, value) {
  const others = optionsOf(question).filter((option) => option.value !== value && !UNDECIDED.has(option.value));
  return others.length === 1 && value !== undefined && !UNDECIDED.has(value) ? others[0].value : undefined;
}

/** "failure", "no failure", "tone: 4": an answer in words. */
function say(question, value) {
  const label = optionsOf(question).find((option) => option.value === value)?.label ?? String(value);
  const short = label.toLowerCase();
  if (short === "yes") return words(question.name);
  if (short === "no") return `no ${words(question.name)}`;
  if (UNDECIDED.has(short)) return short;
  return question.kind === "rating" ? `${words(question.name)}: ${label}` : short;
}

/** What would be recorded for `answers`: the answers, the texts that go with them, and both in words. */
function outcome(task, rubric, answers) {
  const proposal = proposalOf(task, rubric);
  const drafts = desk.drafts[task.task_id] ?? {};
  const sent = { ...answers };
  const parts = asked(rubric).filter((question) => question.name in answers).map((question) => say(question, answers[question.name]));
  for (const question of written(rubric)) {
    if (question.name !== "correction") {
      if (drafts[question.name]?.trim()) sent[question.name] = drafts[question.name];
      continue;
    }
    const failing = !("failure" in answers) || answers.failure === "yes" || answers.failure === true;
    const text = (drafts.correction ?? proposal.correction ?? "").trim();
    if (!failing) continue;
    if (text) sent.correction = text;
    parts.push(!text ? "no correction" : text === (proposal.correction ?? "").trim() ? "correction as proposed" : "your correction");
  }
  return { sent, words: parts.join(", ") };
}

function acceptance(task, rubric) {
  const proposal = proposalOf(task, rubric);
  const questions = asked(rubric);
  if (!questions.length || !questions.every((question) => question.name in proposal)) return null;
  return Object.fromEntries(questions.map((question) => [question.name, proposal[question.name]]));
}

function rejection(task, rubric) {
  const [question, ...more] = asked(rubric);
  if (!question || more.length) return null;
  const value = opposite(question, proposalOf(task, rubric)[question.name]);
  return value === undefined ? null : { [question.name]: value };
}

// ---------------------------------------------------------------- deciding

function record(answers) {
  const task = current();
  if (!task || desk.past || !answers) return;
  const rubric = rubricOf(task);
  const decided = outcome(task, rubric, answers);
  const { correction, ...rest } = decided.sent;
  active.sign();
  const proposal = proposalOf(task, rubric);
  const name = outbox.put("answer", {
    task_id: task.task_id,
    answers: rest,
    correction: correction ?? null,
    suggestion: Object.keys(proposal).length ? proposal : null,
    active_ms: active.ms,
  });
  desk.answered += 1;
  moveOn(task, { kind: "answered", said: decided.words, name });
}

function moveOn(task, { kind, said, name }) {
  desk.ready.shift();
  const drafts = desk.drafts[task.task_id];
  desk.seen.set(task.task_id, task);
  if (desk.seen.size > RECENT) desk.seen.delete(desk.seen.keys().next().value);
  desk.decisions.unshift({ task_id: task.task_id, kind, said, name, drafts, undone: false, title: titleOf(task) });
  delete desk.drafts[task.task_id];
  keep.write(sessionStorage, `${PREFIX}.drafts`, desk.drafts);
  problem("");
  show();
  const next = current();
  announce(`${kind === "skipped" ? "Skipped" : `Recorded: ${said}`}. ${next ? `Next: ${titleOf(next)}` : "Nothing more is ready."}`);
  if (desk.ready.length < PREFETCH - 1) refill();
}

async function undo(decision) {
  decision ??= desk.past ? desk.decisions[desk.pastIndex] : desk.decisions.find((one) => !one.undone && ["answered", "skipped"].includes(one.kind));
  if (!decision || decision.undone || !["answered", "skipped"].includes(decision.kind)) return announce("There is nothing to undo.");
  let task = desk.seen.get(decision.task_id);
  if (!task) {
    try {
      const got = await call("GET", `tasks/${encodeURIComponent(decision.task_id)}`);
      Object.assign(desk.rubrics, got.rubrics);
      task = got.task;
    } catch (error) {
      return problem(`This cannot be undone now: ${error.message}`);
    }
  }
  decision.undone = true;
  if (!decision.name || !outbox.cancel(decision.name)) outbox.put("undo", { task_id: decision.task_id });
  if (decision.kind === "answered") desk.answered = Math.max(0, desk.answered - 1);
  putBack(task, { drafts: decision.drafts });
  announce(`Undone: ${decision.said}. The item is here again.`);
}

function flag() {
  const task = current();
  if (!task || desk.past) return;
  task.flagged = !task.flagged;
  outbox.put("flag", { task_id: task.task_id, flagged: task.flagged });
  show({ stay: true });
  announce(task.flagged ? "Flagged: somebody will look into this item." : "The flag is lifted.");
}

function reveal() {
  const task = desk.past ?? current();
  if (!task?.harmful) return announce("Nothing is hidden here.");
  task.shown = !(task.shown ?? false);
  if (task.shown && !task.revealed) {
    task.revealed = true;
    outbox.put("reveal", { task_id: task.task_id });
  }
  show({ stay: true });
  announce(task.shown ? "The text is shown. That it was uncovered is on record." : "The text is hidden.");
}

function choose(number) {
  const task = current();
  if (!task || desk.past) return;
  const questions = asked(rubricOf(task));
  const question = questions[desk.question];
  const option = question && optionsOf(question)[number];
  if (!option) return;
  desk.chosen = { ...desk.chosen, [question.name]: option.value };
  if (questions.length === 1) return record(desk.chosen);
  const open = questions.findIndex((one) => !(one.name in desk.chosen));
  desk.question = open < 0 ? Math.min(desk.question + 1, questions.length - 1) : open;
  show({ stay: true });
  announce(`${say(question, option.value)}. ${open < 0 ? `All questions are answered: ${shown("record")} records.` : questions[open].prompt}`);
}

function recordChosen() {
  const task = current();
  if (task && asked(rubricOf(task)).every((question) => question.name in desk.chosen)) record(desk.chosen);
}

function edit() {
  const task = current();
  if (!task || desk.past || !written(rubricOf(task)).length) return announce("This rubric asks for no text.");
  if (desk.editing) return beside.querySelector("textarea")?.focus();
  desk.editing = true;
  desk.before = desk.drafts[task.task_id] ?? null;
  show({ stay: true });
  beside.querySelector("textarea")?.focus();
}

/** What is typed counts at once: whoever then presses Agree, or reloads, has it. */
function typed(task) {
  const drafts = {};
  for (const field of beside.querySelectorAll("textarea[data-question]")) drafts[field.dataset.question] = field.value;
  setDrafts(task, drafts);
  actions.replaceChildren(...actionButtons(task));
}

function setDrafts(task, drafts) {
  if (drafts) desk.drafts[task.task_id] = drafts;
  else delete desk.drafts[task.task_id];
  keep.write(sessionStorage, `${PREFIX}.drafts`, desk.drafts);
}

function endEdit(saved) {
  if (!saved && current()) setDrafts(current(), desk.before);
  desk.editing = false;
  show({ stay: true });
  stage.focus({ preventScroll: true });
  announce(saved ? "The text is kept; it is recorded with your answer." : "The text is as it was.");
}

async function look(step) {
  const index = Math.max(-1, Math.min(desk.decisions.length - 1, desk.pastIndex + step));
  if (index === desk.pastIndex) return announce(index < 0 ? "You are at the current item." : "There is nothing older here.");
  if (index < 0) return backToCurrent();
  const decision = desk.decisions[index];
  let task = desk.seen.get(decision.task_id);
  if (!task) {
    try {
      const got = await call("GET", `tasks/${encodeURIComponent(decision.task_id)}`);
      Object.assign(desk.rubrics, got.rubrics);
      task = got.task;
    } catch (error) {
      return problem(`This item cannot be shown now: ${error.message}`);
    }
  }
  desk.past = task;
  desk.pastIndex = index;
  show();
  announce(`Looking back: ${decision.said}${decision.undone ? ", undone" : ""}. ${shown("undo")} undoes it, Escape returns.`);
}

function backToCurrent() {
  desk.past = null;
  desk.pastIndex = -1;
  show();
}

function guideline() {
  const panel = $("wb-guideline");
  panel.hidden = !panel.hidden;
  showGuideline();
  if (panel.hidden) return stage.focus({ preventScroll: true });
  panel.scrollIntoView({ block: "nearest" });
  $("wb-guideline-text").focus({ preventScroll: true });
}

async function flush() {
  await outbox.flush();
  const left = outbox.names().length;
  announce(left ? `${plural(left, "decision")} could not be sent yet; they are kept and tried again.` : "Everything is sent.");
}

// ---------------------------------------------------------------- keys

const COMMANDS = {
  accept: { key: "a", words: "Agree with the proposal", run: () => current() && record(acceptance(current(), rubricOf(current()))) },
  reject: { key: "x", words: "The opposite of the proposal", run: () => current() && record(rejection(current(), rubricOf(current()))) },
  skip: { key: " ", words: "Skip: leave it to others", run: skip },
  undo: { key: "Backspace", words: "Undo your last decision", run: () => undo() },
  flag: { key: "f", words: "Flag it for somebody to look into", run: flag },
  reveal: { key: "h", words: "Show or hide blurred text", run: reveal },
  edit: { key: "e", words: "Edit the correction", run: edit },
  guideline: { key: "g", words: "Guideline", run: guideline },
  older: { key: "j", words: "Look back at an older decision", run: () => look(1) },
  newer: { key: "k", words: "Forward to a newer one", run: () => look(-1) },
  record: { key: "Enter", words: "Record, where there are several questions", run: recordChosen },
  help: { key: "?", words: "Help and keys", run: toggleHelp },
};
const remapped = keep.read(localStorage, "pilotage.keys", {});
let singleKeys = keep.read(localStorage, "pilotage.single-keys", true);
let capturing = null;

const keyOf = (name) => remapped[name] ?? COMMANDS[name].key;
const keyName = (key) => ({ " ": "space", Backspace: "⌫", Enter: "enter", Escape: "esc" })[key] ?? key;
const shown = (name) => keyName(keyOf(name));

function skip() {
  const task = current();
  if (!task || desk.past) return;
  const name = outbox.put("skip", { task_id: task.task_id });
  moveOn(task, { kind: "skipped", said: "skipped", name });
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (capturing) return capture(event);
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  const chord = event.ctrlKey || event.metaKey;
  if (chord && event.key === "s") {
    event.preventDefault();
    return void flush();
  }
  if (desk.editing && typing) {
    if (event.key === "Escape" || (chord && event.key === "Enter")) {
      event.preventDefault();
      endEdit(event.key === "Enter");
    }
    return;
  }
  if (typing || chord || event.altKey) return;
  if (help.open) {
    if (event.key === keyOf("help")) toggleHelp();
    return;
  }
  if (event.key === "Escape" && desk.past) return backToCurrent();
  // A focused control keeps the keys that press it.
  if (event.target.closest?.("button, a, summary") && (event.key === " " || event.key === "Enter")) return;
  if (!singleKeys) return;
  const command = commandOf(event.key);
  if (!command) return;
  event.preventDefault();
  if (!event.repeat) command(); // a key held down decides once
});

function commandOf(key) {
  for (const name of Object.keys(COMMANDS)) if (keyOf(name) === key) return COMMANDS[name].run;
  if (/^[1-9]$/.test(key)) return () => choose(Number(key) - 1);
  const task = current();
  const question = task && asked(rubricOf(task))[desk.question];
  const index = question ? optionsOf(question).findIndex((option) => option.key && option.key === key) : -1;
  return index >= 0 ? () => choose(index) : null;
}

function capture(event) {
  event.preventDefault();
  const name = capturing;
  capturing = null;
  if (["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return void (capturing = name);
  if (event.key !== "Escape") {
    const holder = Object.keys(COMMANDS).find((other) => other !== name && keyOf(other) === event.key);
    if (holder || /^[1-9]$/.test(event.key)) {
      announce(`${keyName(event.key)} is taken.`);
      return showHelp(`${keyName(event.key)} is taken${holder ? ` by “${COMMANDS[holder].words}”` : " by the answers"}.`, name);
    }
    remapped[name] = event.key;
    keep.write(localStorage, "pilotage.keys", remapped);
  }
  showHelp("", name);
  show({ stay: true, focus: false });
}

function toggleHelp() {
  if (help.open) return help.close();
  help.showModal();
  showHelp();
}

function showHelp(note = "", focusOn = null) {
  const rows = Object.entries(COMMANDS).map(([name, command]) => {
    const change = el("button", { type: "button", class: "wb-small", "data-remap": name, "aria-label": `Change the key of: ${command.words}` }, "Change");
    change.addEventListener("click", () => {
      capturing = name;
      change.textContent = "Press a key …";
    });
    return el("tr", {}, el("td", {}, el("kbd", {}, shown(name))), el("td", {}, command.words), el("td", {}, change));
  });
  const fixed = [
    ["1–9", "Choose an answer"],
    ["ctrl enter", "Keep the text you edited"],
    ["esc", "Leave the text as it was; back from the history"],
    ["ctrl s", "Send what is waiting now"],
  ].map(([keys, text]) => el("tr", {}, el("td", {}, el("kbd", {}, keys)), el("td", { colspan: 2 }, text)));
  const single = el("input", { type: "checkbox", id: "wb-single", checked: singleKeys });
  single.addEventListener("change", () => keep.write(localStorage, "pilotage.single-keys", (singleKeys = single.checked)));
  const reset = el("button", { type: "button", class: "wb-small" }, "Keys as they were");
  reset.addEventListener("click", () => {
    for (const name of Object.keys(remapped)) delete remapped[name];
    keep.write(localStorage, "pilotage.keys", remapped);
    showHelp();
    show({ stay: true, focus: false });
  });
  const close = el("button", { type: "button", class: "wb-small" }, "Close");
  close.addEventListener("click", () => help.close());
  help.replaceChildren(
    el("h2", { id: "wb-help-title" }, "Keys"),
    el("p", {}, "Answers are kept on this machine until the server has them: you can go on while the network is away, and reload at any time."),
    el("p", { role: "alert" }, note),
    el("table", { class: "wb-keys" }, el("tbody", {}, rows, fixed)),
    el("p", {}, el("label", { for: "wb-single" }, single, " Use single keys (switch off if they get in the way of a screen reader or speech input)")),
    el("p", { class: "wb-row" }, reset, close),
  );
  (focusOn ? help.querySelector(`[data-remap="${focusOn}"]`) : close).focus();
}
help.addEventListener("close", () => {
  capturing = null;
  stage.focus({ preventScroll: true });
});

// ---------------------------------------------------------------- showing

function titleOf(task) {
  const { payload } = task;
  const text = textOf(task.kind === "contract_change" ? payload?.title : payload?.objective?.prompt ?? payload?.objective ?? payload?.question ?? payload?.conversation?.find((turn) => turn.role === "user")?.content);
  const line = (task.harmful ? `${words(task.why[0] ?? task.kind)} ${task.item_id.slice(-6)}` : text.split("\n")[0]) || `${task.kind} ${task.item_id.slice(-6)}`;
  return line.length > 70 ? `${line.slice(0, 69)}…` : line;
}

function status() {
  const waiting = Math.max(desk.ready.length, desk.base.open - (desk.answered - desk.base.answered));
  const out = outbox.names().length;
  const away = outbox.waitMs > 0 || navigator.onLine === false;
  $("wb-status").textContent = `${desk.answered} done, ${waiting} waiting, outbox ${out}${away ? ": no connection, your answers are kept here" : ""}`;
  root.classList.toggle("wb-away", away);
}

function show({ stay = false, focus = true } = {}) {
  const task = desk.past ?? current();
  if (!stay) {
    desk.chosen = {};
    desk.question = 0;
    desk.editing = false;
    active.restart();
  }
  stage.replaceChildren(...(task ? taskParts(task) : [emptyCard()]));
  beside.replaceChildren(...(task ? besideParts(task) : []));
  actions.hidden = !task;
  if (task) actions.replaceChildren(...actionButtons(task));
  showHistory();
  showGuideline();
  status();
  if (focus && !desk.editing && !help.open) stage.focus({ preventScroll: true });
  if (!stay) scrollTo({ top: 0 });
}

function taskParts(task) {
  const rubric = rubricOf(task);
  if (task.kind === "contract_change") return contractChangeParts(task, rubric);
  const { conversation = [], tool_calls: calls = [], verdict: ___, objective, technique, clause, question, reference, proposed_correction: _, authors: __, ...more } =
    task.payload ?? {};
  const hidden = task.harmful && !task.shown;
  const past = desk.past ? desk.decisions[desk.pastIndex] : null;
  const facts = [["Objective", objective?.prompt ?? objective], ["Technique", technique && words(technique.name ?? technique)], ["Clause", clause], ["Question", question], ["Reference answer", reference]]
    .filter(([, value]) => value != null && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", { dir: "auto", class: hidden && name === "Objective" ? "wb-blurred" : false, "aria-hidden": hidden && name === "Objective" ? "true" : false }, textOf(value))]);
  const tags = [...task.why, ...Object.values(task.slices ?? {})].map(words);
  const lastReply = conversation.findLastIndex((turn) => turn.role === "assistant");
  return [
    past && el("p", { class: "wb-past" }, `Looking back: you recorded “${past.said}”${past.undone ? ", and undid it" : ""}.`),
    el("section", { class: "wb-card", "aria-labelledby": "wb-prompt" },
      el("div", { class: "wb-tags" }, [...new Set(tags)].map((tag) => el("span", { class: "wb-tag" }, tag)), task.flagged && el("span", { class: "wb-tag wb-flag" }, "flagged")),
      el("h2", { id: "wb-prompt", dir: "auto" }, asked(rubric)[desk.question]?.prompt ?? "Look at this item"),
      facts.length > 0 && el("dl", { class: "wb-facts" }, facts),
      hidden && el("p", { class: "wb-veil" }, "This may be upsetting, so it is blurred. ", button("reveal", "Show it"), " Showing it is put on record."),
      el("ol", { class: `wb-talk${hidden ? " wb-blurred" : ""}`, "aria-hidden": hidden ? "true" : false, "aria-label": "Conversation" },
        conversation.map((turn, index) => turnItem(turn, index === lastReply))),
      calls.length > 0 && el("div", { class: `wb-acts${hidden ? " wb-blurred" : ""}`, "aria-hidden": hidden ? "true" : false }, el("h3", {}, "Actions it took"), calls.map(callItem)),
      Object.keys(more).length > 0 && el("details", { class: "wb-more" }, el("summary", {}, "More about this item"),
        el("dl", { class: "wb-facts" }, Object.entries(more).map(([name, value]) => [el("dt", {}, words(name)), el("dd", { dir: "auto" }, textOf(value))])))),
  ].filter(Boolean);
}

// ---------------------------------------------------------------- a change of a source, proposed by its data

const FIGURES = {
  ks_before: "Unlike what is stored, as it arrives (0 alike to 1)",
  ks_after: "Unlike what is stored, once converted",
  ks_runner_up: "Unlike what is stored, by the next best unit",
  conversion: "Conversion",
  count: "Values",
  share: "Share of the values",
  n: "Values looked at",
};

const figure = (value) =>
  typeof value === "number"
    ? value.toLocaleString("en", { maximumSignificantDigits: 5 }).replaceAll(",", "\u202f")
    : value && typeof value === "object"
      ? Object.entries(value).map(([name, one]) => `${words(name)} ${figure(one)}`).join(", ")
      : String(value ?? "–");

/** What is proposed, and the figures it rests on: the deciles before and after are drawn, the others are a list. */
function contractChangeParts(task, rubric) {
  const { title = "", text = "", evidence = {}, proposal } = task.payload ?? {};
  const { deciles_old: before, deciles_new: after, n_old: nBefore, n_new: nAfter, likeness, ...figures } = evidence;
  const past = desk.past ? desk.decisions[desk.pastIndex] : null;
  const contract = task.slices?.contract;
  const lists = Array.isArray(before) && Array.isArray(after) && before.length > 1 && after.length > 1;
  const facts = Object.entries(figures).filter(([, value]) => value != null && (typeof value !== "object" || Object.keys(value).length > 0));
  return [
    past && el("p", { class: "wb-past" }, `Looking back: you recorded “${past.said}”${past.undone ? ", and undid it" : ""}.`),
    el("section", { class: "wb-card", "aria-labelledby": "wb-prompt" },
      el("div", { class: "wb-tags" }, [...new Set([...task.why, ...Object.values(task.slices ?? {})].map(words))].map((tag) => el("span", { class: "wb-tag" }, tag)), task.flagged && el("span", { class: "wb-tag wb-flag" }, "flagged")),
      el("h2", { id: "wb-prompt", dir: "auto" }, asked(rubric)[desk.question]?.prompt ?? "Look at this change"),
      el("p", { class: "wb-change", dir: "auto" }, textOf(title)),
      textOf(text).split("\n").filter((line) => line && line !== `${title}.`).map((line) => el("p", { dir: "auto" }, line)),
      contract && el("p", {}, el("a", { href: `/data/contracts/${encodeURIComponent(contract)}${proposal ? `#${encodeURIComponent(proposal)}` : ""}` }, `The contract ${contract}, with its columns and earlier versions`))),
    el("section", { class: "wb-card", "aria-labelledby": "wb-evidence" },
      el("h3", { id: "wb-evidence" }, "What speaks for it"),
      lists && decileBars([["stored", before, nBefore], ["arriving", after, nAfter]]),
      likeness && typeof likeness === "object" && el("dl", { class: "wb-facts" }, Object.entries(likeness).map(([part, share]) => [el("dt", {}, `Alike in ${words(part)}, 0 to 1`), el("dd", {}, figure(share))])),
      facts.length > 0 && el("dl", { class: "wb-facts" }, facts.map(([name, value]) => [el("dt", {}, FIGURES[name] ?? words(name)), el("dd", { dir: "auto" }, figure(value))])),
      !lists && !likeness && !facts.length && el("p", { class: "wb-none" }, "No figures came with it.")),
  ].filter(Boolean);
}

/** Deciles of several sides on one scale: a line from the least to the largest, a bar for the middle 80 %, a stroke for the median; and as a table. */
function decileBars(sides) {
  const every = sides.flatMap(([, values]) => values);
  const inner = sides.flatMap(([, values]) => [values[Math.round((values.length - 1) * 0.1)], values[Math.round((values.length - 1) * 0.9)]]);
  const [low, high] = [Math.min(...every), Math.max(...every)];
  const log = low > 0 && Math.max(...inner) / Math.min(...inner) > 40;
  const bend = log ? Math.log10 : Number;
  const spread = bend(high) - bend(low) || 1;
  const at = (value) => (62 + ((bend(value) - bend(low)) / spread) * 306).toFixed(1);
  const said = sides.map(([label, values]) => `${label}: median ${figure(values[Math.round((values.length - 1) / 2)])}, from ${figure(values[0])} to ${figure(values.at(-1))}`);
  const bars = sides.map(([label, values], row) => {
    const part = (share) => values[Math.round((values.length - 1) * share)];
    return drawn("g", { transform: `translate(0 ${row * 30})`, class: row ? "last" : "first" },
      drawn("text", { class: "side", x: 0, y: 19 }, label),
      drawn("line", { class: "span", x1: at(part(0)), x2: at(part(1)), y1: 15, y2: 15 }),
      drawn("rect", { class: "half", x: at(part(0.1)), y: 7, height: 16, rx: 2, width: Math.max(3, at(part(0.9)) - at(part(0.1))).toFixed(1) }),
      drawn("line", { class: "median", x1: at(part(0.5)), x2: at(part(0.5)), y1: 5, y2: 25 }));
  });
  const height = sides.length * 30 + 18;
  return [
    drawn("svg", { class: "quantiles", viewBox: `0 0 380 ${height}`, role: "img", "aria-label": `Deciles. ${said.join(". ")}.` }, bars,
      drawn("text", { class: "tick", x: 62, y: height - 4 }, figure(low)), drawn("text", { class: "tick", x: 368, y: height - 4, "text-anchor": "end" }, figure(high))),
    el("p", { class: "hint" }, `${sides.map(([label, , n]) => (n == null ? label : `${label}, n = ${figure(n)}`)).join("; ")}${log ? "; logarithmic scale" : ""}. Line: least to largest; bar: the middle 80 %; stroke: the median.`),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Deciles as figures" },
      el("table", { class: "list wb-deciles" },
        el("thead", {}, el("tr", {}, el("th", {}, "Decile"), sides[0][1].map((_, place, all) => el("th", { class: "num" }, `${Math.round((100 * place) / (all.length - 1))} %`)))),
        el("tbody", {}, sides.map(([label, values]) => el("tr", {}, el("th", { scope: "row" }, label), values.map((value) => el("td", { class: "num" }, figure(value)))))))),
  ];
}

/** What belongs to the decision: the machine's proposal and the texts. */
function besideParts(task) {
  const rubric = rubricOf(task);
  return [verdictCard(task, rubric, task.payload?.verdict), ...written(rubric).map((one) => textCard(task, rubric, one))].filter(Boolean);
}

function turnItem(turn, judged) {
  const role = { user: "Person", assistant: "Model", system: "System prompt", tool: "Tool" }[turn.role] ?? words(turn.role ?? "");
  const body = el("div", { class: "wb-text", dir: "auto" });
  body.textContent = textOf(turn.content);
  const parts = [body, ...(turn.tool_calls ?? []).map(callItem)];
  const content = turn.role === "system" ? el("details", {}, el("summary", {}, role), parts) : [el("span", { class: "wb-role" }, judged ? `${role} · the reply in question` : role), parts];
  return el("li", { class: `wb-turn wb-${["user", "assistant", "system", "tool"].includes(turn.role) ? turn.role : "other"}${judged ? " wb-judged" : ""}` }, content);
}

function callItem(made) {
  let given = made.arguments ?? made.args ?? "";
  try {
    given = JSON.stringify(typeof given === "string" ? JSON.parse(given) : given, null, 1);
  } catch {
    // Not JSON: shown as the model wrote it.
  }
  return el("pre", { class: "wb-call", dir: "auto" }, `${made.name ?? made.function?.name ?? "tool"} ${textOf(given)}`);
}

function verdictCard(task, rubric, verdict) {
  const proposal = proposalOf(task, rubric);
  const said = asked(rubric).filter((question) => question.name in proposal).map((question) => say(question, proposal[question.name]));
  if (!said.length && !verdict) return null;
  return el("section", { class: "wb-card wb-verdict" },
    el("h3", {}, said.length ? "A machine proposes" : "A machine says"),
    el("p", { class: "wb-proposed", dir: "auto" }, said.join(", ") || words(textOf(verdict.value))),
    verdict?.reason && el("p", { class: "wb-reason", dir: "auto" }, textOf(verdict.reason)));
}

function textCard(task, rubric, question) {
  const proposal = proposalOf(task, rubric)[question.name] ?? "";
  const draft = desk.drafts[task.task_id]?.[question.name];
  const text = draft ?? proposal;
  const title = question.name === "correction" ? (draft != null && draft !== proposal ? "Your correction" : text ? "Proposed correction" : "Correction") : question.prompt;
  if (desk.editing && !desk.past) {
    const field = el("textarea", { id: `wb-field-${question.name}`, "data-question": question.name, rows: 6, dir: "auto", maxlength: 100000 });
    field.value = text;
    field.addEventListener("input", () => typed(task));
    const saved = el("button", { type: "button", class: "wb-small wb-strong" }, "Keep this text ", el("kbd", {}, "ctrl enter"));
    const left = el("button", { type: "button", class: "wb-small" }, "Leave as it was ", el("kbd", {}, "esc"));
    saved.addEventListener("click", () => endEdit(true));
    left.addEventListener("click", () => endEdit(false));
    return el("section", { class: "wb-card wb-correction" }, el("h3", {}, el("label", { for: field.id }, question.prompt)), field, el("p", { class: "wb-row" }, saved, left));
  }
  const body = el("div", { class: "wb-text", dir: "auto" });
  body.textContent = text;
  return el("section", { class: "wb-card wb-correction" },
    el("div", { class: "wb-row wb-spread" }, el("h3", {}, title), !desk.past && button("edit", text ? "Edit" : "Write one")),
    text ? body : el("p", { class: "wb-none" }, question.name === "correction" ? "None is proposed." : "Not written yet."));
}

function button(name, text, { detail = "", kind = "wb-small", disabled = false } = {}) {
  const made = el("button", { type: "button", class: kind, "data-command": name, disabled }, el("kbd", { "aria-hidden": "true" }, shown(name)),
    el("span", {}, text, detail && el("small", { dir: "auto" }, detail)));
  made.addEventListener("click", () => {
    COMMANDS[name].run();
    if (document.activeElement === made) stage.focus({ preventScroll: true });
  });
  return made;
}

function actionButtons(task) {
  if (desk.past) {
    const back = el("button", { type: "button", class: "wb-small" }, el("kbd", {}, "esc"), el("span", {}, "Back to the current item"));
    back.addEventListener("click", backToCurrent);
    const undone = desk.decisions[desk.pastIndex].undone || !["answered", "skipped"].includes(desk.decisions[desk.pastIndex].kind);
    return [el("div", { class: "wb-row" }, button("undo", "Undo this decision", { disabled: undone }), button("older", "Older"), button("newer", "Newer"), back)];
  }
  const rubric = rubricOf(task);
  const questions = asked(rubric);
  const yes = acceptance(task, rubric);
  const no = rejection(task, rubric);
  const question = questions[desk.question];
  const options = (question ? optionsOf(question) : []).slice(0, 9).map((option, index) => {
    const chosen = desk.chosen[question.name] === option.value;
    const made = el("button", { type: "button", class: "wb-option", "aria-pressed": questions.length > 1 ? String(chosen) : false },
      el("kbd", { "aria-hidden": "true" }, String(index + 1)), el("span", { dir: "auto" }, option.label));
    made.addEventListener("click", () => choose(index));
    return made;
  });
  const whole = questions.length > 1 && questions.every((one) => one.name in desk.chosen);
  return [
    yes || no
      ? el("div", { class: "wb-decide" },
          yes && button("accept", "Agree", { kind: "wb-accept", detail: outcome(task, rubric, yes).words }),
          no && button("reject", "Opposite", { kind: "wb-reject", detail: outcome(task, rubric, no).words }))
      : el("p", { class: "wb-none" }, "No machine proposed an answer: choose one."),
    el("div", { class: "wb-rest" },
      el("div", { class: "wb-row wb-options", role: "group", "aria-label": question?.prompt ?? "Answers" }, options,
      questions.length > 1 && el("small", {}, `question ${desk.question + 1} of ${questions.length}`),
      questions.length > 1 && button("record", "Record", { disabled: !whole, detail: whole ? outcome(task, rubric, desk.chosen).words : "" })),
      el("div", { class: "wb-row wb-tools" }, button("skip", "Skip"), button("undo", "Undo"), button("flag", task.flagged ? "Unflag" : "Flag"),
      task.harmful && button("reveal", task.shown ? "Hide" : "Show"), button("guideline", "Guideline"), button("older", "History"), button("help", "Help"))),
  ];
}

function pressable(text, run) {
  const made = el("button", { type: "button", class: "wb-small wb-strong" }, text);
  made.addEventListener("click", run);
  return made;
}

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
  if (standing.own_work) lines.push(el("li", {}, `${plural(standing.own_work, "item")} are your own work; somebody else reviews them.`));
  for (const [role, count] of Object.entries(standing.other_roles)) lines.push(el("li", {}, `${plural(count, "item")} need a person with the role “${role}”.`));
  const done = desk.answered > 0;
  const overview = el("a", { href: pilot ? `/pilots/${encodeURIComponent(pilot)}` : "/" }, "Go to the overview");
  return el("section", { class: "wb-card wb-empty" },
    el("h2", {}, done ? "Nothing more waits for you" : "Nothing waits for you here"),
    el("p", {}, done ? `You answered ${plural(desk.answered, "item")}.` : "Items come here when a run finds something that a person must look at.",
      lines.length || desk.base.open ? "" : " Run the pilot again to go on: what you decided is taken up from here."),
    lines.length > 0 && el("ul", {}, lines),
    el("p", { class: "wb-row" }, offers, overview),
    el("p", { class: "wb-none" }, "New items appear by themselves."));
}

function showError(told) {
  const again = pressable("Try again now", () => {
    outbox.flush();
    refill();
  });
  stage.replaceChildren(el("section", { class: "wb-card wb-error", role: "alert" }, el("h2", {}, told.what),
    [told.where, told.why, told.mend].filter(Boolean).map((line) => el("p", { dir: "auto" }, line)), el("p", { class: "wb-row" }, again)));
  beside.replaceChildren();
  actions.hidden = true;
}

function showHistory() {
  const place = $("wb-history");
  if (!desk.decisions.length) return place.replaceChildren(el("li", { class: "wb-none" }, "None yet."));
  place.replaceChildren(...desk.decisions.slice(0, 10).map((decision, index) => {
    const open = el("button", { type: "button", class: "wb-past-one", "aria-current": index === desk.pastIndex ? "true" : false },
      el("span", { dir: "auto" }, decision.title),
      el("small", { class: decision.undone ? "wb-struck" : decision.kind === "refused" ? "wb-flag" : "" }, decision.kind === "refused" ? `not recorded: ${decision.said}` : decision.said));
    open.addEventListener("click", () => look(index - desk.pastIndex));
    return el("li", {}, open);
  }));
}

function showGuideline() {
  const task = desk.past ?? current();
  const rubric = task ? rubricOf(task) : Object.values(desk.rubrics)[0];
  if (!rubric || $("wb-guideline").hidden) return;
  $("wb-guideline-version").textContent = `${rubric.name}, version ${rubric.number}`;
  const lines = (rubric.guideline || "This rubric has no guideline.").split("\n");
  $("wb-guideline-text").replaceChildren(...lines.map((line) => {
    const head = /^#+\s+(.*)/.exec(line);
    const point = /^\s*[-*]\s+(.*)/.exec(line);
    return head ? el("h3", {}, head[1]) : point ? el("p", { class: "wb-point" }, point[1]) : el("p", {}, line);
  }));
}

// ---------------------------------------------------------------- start

addEventListener("online", () => {
  outbox.flush();
  refill();
});
addEventListener("offline", status);
addEventListener("storage", (event) => event.key?.startsWith(`${PREFIX}.outbox.`) && status());
addEventListener("beforeunload", (event) => outbox.memory.size && event.preventDefault());

async function start() {
  show();
  outbox.send();
  await refill();
  try {
    const got = await call("GET", `history?${new URLSearchParams({ queue, limit: 10 })}`);
    const local = new Set(desk.decisions.map((decision) => decision.task_id));
    const past = got.decisions.filter((decision) => !local.has(decision.task_id)).map((decision) => ({
      ...decision,
      said: decision.kind === "skipped" ? "skipped" : Object.entries(decision.answers).map(([name, value]) => say(questionNamed(name), value)).join(", ") || decision.kind,
      title: `item ${decision.task_id.slice(-6)}`,
    }));
    desk.decisions.push(...past);
    showHistory();
  } catch {
    // Looking back is a convenience: what matters is tried again by itself.
  }
}

function questionNamed(name) {
  for (const rubric of Object.values(desk.rubrics)) for (const question of rubric.questions) if (question.name === name) return question;
  return { name, kind: "choice", options: [] };
}

start();
