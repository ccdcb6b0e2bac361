// Marks in a text: a caret that goes word by word, a selection drawn out from it, and labels on the digits. A mouse or a finger selects as in any text.

import { announce, el } from "../dom.js";
import { textAt } from "../payload.js";
import { boxOf, measured, nextCharacter, unitOf, wordAt } from "./places.js";
import { named } from "./options.js";

const COLOURS = 6;
const fieldOf = (question) => question.of || "text";
const labelOf = (question, value) => named(question).find((option) => option.value === value)?.label ?? value;
const marksOf = (ask) => ask.value ?? ask.proposed ?? [];
const same = (one, other) => one.start === other.start && one.end === other.end && one.label === other.label;
const crosses = (one, other) => one.start < other.end && other.start < one.end;

/** The text as it is counted, kept with the view: it does not change under the item. */
function textOf(ask) {
  const text = textAt(ask.task.payload, fieldOf(ask.question)) ?? "";
  if (ask.view.measure?.text !== text) ask.view.measure = measured(text);
  return ask.view.measure;
}

/** What is selected: from the anchor to the caret; the word at the caret where nothing is drawn out. */
function selection(ask) {
  const { words } = textOf(ask);
  const { from, to } = ask.view;
  if (from != null && to != null && from !== to) return { start: Math.min(from, to), end: Math.max(from, to) };
  return words.length ? words[Math.min(ask.view.word ?? 0, words.length - 1)] : null;
}

function press(ask, index) {
  const option = named(ask.question)[index];
  const chosen = selection(ask);
  if (!option || !chosen) return;
  const made = { start: chosen.start, end: chosen.end, label: option.value };
  const marks = marksOf(ask);
  if (marks.some((mark) => same(mark, made))) return setMarks(ask, marks.filter((mark) => !same(mark, made)), `Not ${option.label} any more: ${quoted(ask, made)}`);
  // Where marks may not overlap, the new one takes the place of those it crosses: relabelling is one key.
  const rest = ask.question.overlapping ? marks : marks.filter((mark) => !crosses(mark, made));
  setMarks(ask, [...rest, made], `${option.label}: ${quoted(ask, made)}`);
}

function setMarks(ask, marks, said) {
  const order = named(ask.question).map((option) => option.value);
  ask.view.from = ask.view.to = null;
  getSelection()?.removeAllRanges();
  ask.give(marks.toSorted((one, other) => one.start - other.start || one.end - other.end || order.indexOf(one.label) - order.indexOf(other.label)));
  announce(said);
}

function remove(ask) {
  const chosen = selection(ask);
  const hit = chosen && marksOf(ask).findLast((mark) => crosses(mark, chosen));
  if (!hit) return ask.note("There is no mark here.");
  setMarks(ask, marksOf(ask).filter((mark) => mark !== hit), `Removed: ${quoted(ask, hit)}`);
}

const quoted = (ask, { start, end }) => {
  const text = textOf(ask).slice(start, end);
  return `“${text.length > 60 ? `${text.slice(0, 59)}…` : text}”`;
};

/** The caret to another word; with `extend`, the selection drawn out to it. */
function goTo(ask, word, extend) {
  const { words } = textOf(ask);
  if (!words.length) return;
  const before = selection(ask);
  const next = Math.max(0, Math.min(words.length - 1, word));
  if (extend) {
    if (ask.view.from == null || ask.view.from === ask.view.to) ask.view.pivot = ask.view.word ?? 0;
    const pivot = words[ask.view.pivot ?? 0];
    const target = words[next];
    [ask.view.from, ask.view.to] = next >= (ask.view.pivot ?? 0) ? [pivot.start, target.end] : [pivot.end, target.start];
  } else {
    ask.view.from = ask.view.to = null;
  }
  ask.view.word = next;
  ask.redraw();
  const now = selection(ask);
  if (now && (now.start !== before?.start || now.end !== before?.end)) announce(`${quoted(ask, now)}${marksAt(ask, now)}`);
}

const marksAt = (ask, place) => marksOf(ask).filter((mark) => crosses(mark, place)).map((mark) => `, ${labelOf(ask.question, mark.label)}`).join("");

function keydown(ask, event) {
  const holder = document.getElementById("wb-marked");
  const back = holder && getComputedStyle(holder).direction === "rtl" ? "ArrowRight" : "ArrowLeft";
  const at = ask.view.word ?? 0;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const by = event.key === back ? -1 : 1;
    if (event.altKey && event.shiftKey) fine(ask, by);
    else goTo(ask, at + by, event.shiftKey);
  } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    goTo(ask, otherLine(ask, holder, event.key === "ArrowUp" ? -1 : 1), event.shiftKey);
  } else if (event.key === "Home" || event.key === "End") {
    goTo(ask, event.key === "Home" ? 0 : Infinity, event.shiftKey);
  } else if (event.key === "Delete") {
    remove(ask);
  } else if (event.key === "Escape" && ask.view.from != null) {
    ask.view.from = ask.view.to = null;
    ask.redraw();
  } else return false;
  return true;
}

/** The selection's end by one character, for what is more or less than words. */
function fine(ask, by) {
  const chosen = selection(ask);
  if (!chosen) return;
  if (ask.view.from == null || ask.view.from === ask.view.to) [ask.view.from, ask.view.to] = [chosen.start, chosen.end];
  const to = nextCharacter(textOf(ask), ask.view.to, by);
  if (to !== ask.view.from) ask.view.to = to;
  ask.redraw();
  announce(quoted(ask, selection(ask)));
}

/** The word nearest below or above the caret's. */
function otherLine(ask, holder, by) {
  const measure = textOf(ask);
  const at = ask.view.word ?? 0;
  if (!holder || !measure.words.length) return at;
  const here = boxOf(holder, measure, measure.words[at].start, measure.words[at].end);
  const middle = (here.left + here.right) / 2;
  let best = at;
  let line = null;
  let nearest = Infinity;
  for (let word = at + by; word >= 0 && word < measure.words.length; word += by) {
    const box = boxOf(holder, measure, measure.words[word].start, measure.words[word].end);
    if (Math.abs(box.top - here.top) < here.height / 2) continue;
    line ??= box.top;
    if (Math.abs(box.top - line) > here.height / 2) break;
    const distance = Math.abs((box.left + box.right) / 2 - middle);
    if (distance < nearest) [best, nearest] = [word, distance];
  }
  return best;
}

/** The text in pieces, cut wherever a mark or the selection starts or ends. */
function pieces(ask, marks, chosen) {
  const measure = textOf(ask);
  const cuts = new Set([0, measure.length]);
  for (const one of chosen ? [...marks, chosen] : marks) cuts.add(one.start).add(one.end);
  const places = [...cuts].filter((place) => place <= measure.length).sort((one, other) => one - other);
  const order = named(ask.question).map((option) => option.value);
  return places.slice(0, -1).map((start, index) => {
    const end = places[index + 1];
    const over = marks.filter((mark) => mark.start <= start && mark.end >= end);
    const inside = chosen && chosen.start <= start && chosen.end >= end;
    if (!over.length && !inside) return document.createTextNode(measure.slice(start, end));
    const last = over.filter((mark) => mark.end === end).map((mark) => labelOf(ask.question, mark.label));
    const colour = over.length ? ` wb-label-${order.indexOf(over.at(-1).label) % COLOURS}` : "";
    return el(over.length ? "mark" : "span", { class: `wb-mark${colour}${over.length > 1 ? " wb-several" : ""}${inside ? " wb-selected" : ""}${ask.value === undefined && over.length ? " wb-suggested" : ""}`, "data-label": last.join(", ") || false },
      measure.slice(start, end));
  });
}

function draw(ask) {
  const measure = textOf(ask);
  const marks = marksOf(ask).filter((mark) => mark.end <= measure.length);
  const chosen = ask.live ? selection(ask) : null;
  const holder = el("div", { id: "wb-marked", class: "wb-text wb-marked", dir: "auto" }, pieces(ask, marks, chosen));
  if (ask.live) watch(ask, holder);
  return el("section", { class: "wb-card", "aria-labelledby": "wb-marked-title" },
    el("h3", { id: "wb-marked-title" }, ask.value === undefined && marks.length ? "The text, with the marks a machine proposes" : "The text"),
    holder,
    el("ul", { class: "wb-marks", "aria-label": "Marks" }, marks.map((mark) => markItem(ask, mark))),
    ask.live && el("p", { class: "wb-none" }, "← → walk by word, with shift they select; a label's key marks, Delete removes. Or select with mouse or finger."));
}

function markItem(ask, mark) {
  const order = named(ask.question).map((option) => option.value);
  const text = el("span", { dir: "auto" }, quoted(ask, mark));
  const tag = el("span", { class: `wb-mark wb-label-${order.indexOf(mark.label) % COLOURS}` }, labelOf(ask.question, mark.label));
  if (!ask.live) return el("li", {}, tag, text);
  const gone = el("button", { type: "button", class: "wb-small wb-remove", "aria-label": `Remove ${labelOf(ask.question, mark.label)} ${quoted(ask, mark)}` }, "×");
  gone.addEventListener("click", () => setMarks(ask, marksOf(ask).filter((one) => !same(one, mark)), `Removed: ${quoted(ask, mark)}`));
  return el("li", {}, tag, text, gone);
}

/** What is selected with mouse, finger or the system's handles becomes the selection; a tap puts the caret on its word. */
function watch(ask, holder) {
  const measure = textOf(ask);
  const take = () => {
    const picked = getSelection();
    if (!picked?.rangeCount || picked.isCollapsed || !holder.isConnected) return false;
    const range = picked.getRangeAt(0);
    const ends = [unitOf(holder, range.startContainer, range.startOffset), unitOf(holder, range.endContainer, range.endOffset)];
    if (ends.includes(null)) return false;
    let [start, end] = ends.map((unit) => measure.point[unit]);
    while (start < end && /\s/.test(measure.slice(start, start + 1))) start += 1;
    while (end > start && /\s/.test(measure.slice(end - 1, end))) end -= 1;
    if (start === end) return false;
    Object.assign(ask.view, { from: start, to: end, word: wordAt(measure.words, start), pivot: wordAt(measure.words, start) });
    return true;
  };
  holder.addEventListener("pointerup", (event) => {
    if (take()) {
      if (event.pointerType === "mouse") ask.redraw();
      return announce(`${quoted(ask, selection(ask))}. Press a label.`);
    }
    const spot = document.caretPositionFromPoint?.(event.clientX, event.clientY);
    const unit = spot ? unitOf(holder, spot.offsetNode, spot.offset) : null;
    if (unit == null) return;
    goTo(ask, wordAt(measure.words, measure.point[unit]), event.shiftKey);
  });
  // Handles on a touch screen change the selection without a pointer's end; the mark is drawn once it is labelled.
  const changed = () => (holder.isConnected ? take() : document.removeEventListener("selectionchange", changed));
  document.addEventListener("selectionchange", changed);
}

/** One answer in the text, to be looked at beside others. */
function compare(question, value, task) {
  const ask = { question, task, value, view: {}, live: false };
  const marks = value.filter((mark) => mark.end <= textOf(ask).length);
  return el("div", {}, el("div", { class: "wb-text wb-compared", dir: "auto" }, pieces(ask, marks, null)), el("ul", { class: "wb-marks" }, marks.map((mark) => markItem(ask, mark))), !marks.length && el("p", { class: "wb-none" }, "no marks"));
}

export const spans = {
  options: named,
  ready: (question, value) => Array.isArray(value) && value.length >= (question.at_least ?? 0) && value.length <= (question.at_most ?? Infinity),
  say(question, value) {
    if (!value.length) return "no marks";
    const counts = named(question).map((option) => [option.label, value.filter((mark) => mark.label === option.value).length]).filter(([, count]) => count);
    return counts.map(([label, count]) => `${count} × ${label}`).join(", ").toLowerCase();
  },
  press,
  keydown,
  draw,
  compare,
  uses: (question) => [fieldOf(question)],
  empty: (question) => ((question.at_least ?? 0) === 0 ? [] : undefined),
};
