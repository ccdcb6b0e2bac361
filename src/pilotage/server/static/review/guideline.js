// The guideline: its text and number, and what changed since this person last saw it. What they saw is kept on this browser, by login and queue.

import { announce, $, el, keep, PREFIX, stage } from "./dom.js";
import { current, desk, rubricOf } from "./desk.js";
import { marked } from "./difference.js";
import { call } from "./server.js";

const SEEN = `${PREFIX}.guideline`;
const texts = new Map(); // id -> {id, number, text, before}: fetched once
let shownFor = "";

const idOf = (task) => task?.guideline_id ?? null;

export function toggleGuideline() {
  const panel = $("wb-guideline");
  if (panel.hidden) return open();
  panel.hidden = true;
  const task = desk.past ?? current();
  if (idOf(task)) keep.write(localStorage, SEEN, idOf(task));
  shownFor = "";
  stage.focus({ preventScroll: true });
}

function open() {
  const panel = $("wb-guideline");
  panel.hidden = false;
  showGuideline();
  panel.scrollIntoView({ block: "nearest" });
  $("wb-guideline-text").focus({ preventScroll: true });
}

/** A guideline the person has not seen opens by itself: the first time as it is, later with what changed. */
export function offerGuideline(task) {
  const id = idOf(task);
  if (!id || desk.past || keep.read(localStorage, SEEN, null) === id || !$("wb-guideline").hidden) return;
  const before = keep.read(localStorage, SEEN, null);
  $("wb-guideline").hidden = false;
  showGuideline();
  announce(before ? "The guideline changed since you last saw it. What changed is marked in it." : "Here is the guideline.");
}

export function showGuideline() {
  const task = desk.past ?? current();
  const rubric = task ? rubricOf(task) : Object.values(desk.rubrics)[0];
  if (!rubric || $("wb-guideline").hidden) return;
  const id = idOf(task);
  if (id && !texts.has(id)) {
    texts.set(id, null);
    fetchText(id);
  }
  const told = id ? texts.get(id) : null;
  const name = `${id ?? ""}${told ? "+" : ""}${rubric.name}${rubric.number}`;
  if (name === shownFor) return;
  shownFor = name;
  const number = told?.number ?? task?.guideline_number ?? rubric.number;
  $("wb-guideline-version").textContent = id ? `version ${number}` : `${rubric.name}, version ${number}`;
  const change = told?.before && told.before.text !== told.text
    ? [el("details", { class: "wb-more wb-changed", open: true }, el("summary", {}, `Changed since you last saw it (version ${told.before.number})`), marked(told.before.text, told.text))] : [];
  $("wb-guideline-text").replaceChildren(...change, ...paragraphs(told?.text ?? rubric.guideline));
}

async function fetchText(id) {
  const before = keep.read(localStorage, SEEN, null);
  try {
    texts.set(id, await call("GET", `guidelines/${encodeURIComponent(id)}${before && before !== id ? `?since=${encodeURIComponent(before)}` : ""}`));
    showGuideline();
  } catch {
    texts.delete(id); // the rubric's own text is shown meanwhile, and it is asked again with the next item
  }
}

function paragraphs(text) {
  return (text || "There is no guideline.").split("\n").filter((line, index, all) => line.trim() || all[index - 1]?.trim()).map((line) => {
    const head = /^#+\s+(.*)/.exec(line);
    const point = /^\s*[-*]\s+(.*)/.exec(line);
    return head ? el("h3", { dir: "auto" }, head[1]) : point ? el("p", { class: "wb-point", dir: "auto" }, point[1]) : el("p", { dir: "auto" }, line);
  });
}
