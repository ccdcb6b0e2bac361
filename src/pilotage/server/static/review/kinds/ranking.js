// Candidates, best first. Digits pick them in order of preference, so that no order stands there to be waved through; arrows put right what is picked.

import { announce, el, textOf } from "../dom.js";
import { at } from "../payload.js";

const fieldOf = (question) => question.of || "candidates";

/** The candidates as they stand for this person: drawn when the item was served, so that nobody's first is everybody's first. */
function candidates(ask) {
  const given = at(ask.task.payload, fieldOf(ask.question)) ?? [];
  const order = ask.task.served_order?.[ask.question.name];
  if (!order) return given;
  const byId = new Map(given.map((one) => [one.id, one]));
  return [...order.map((id) => byId.get(id)).filter(Boolean), ...given.filter((one) => !order.includes(one.id))];
}

const flat = (value) => (value ?? []).flat();

/** Candidates that are not picked yet, as they stand. */
const open = (ask) => candidates(ask).filter((one) => !flat(ask.value).includes(one.id));

function pick(ask, id) {
  const groups = (ask.value ?? []).map((group) => [...group]);
  if (flat(groups).includes(id)) return give(ask, without(groups, id), id);
  if (ask.view.tie && groups.length && ask.question.ties !== false) groups.at(-1).push(id);
  else groups.push([id]);
  ask.view.tie = false;
  give(ask, groups, id);
}

const without = (groups, id) => groups.map((group) => group.filter((one) => one !== id)).filter((group) => group.length);

function give(ask, groups, id) {
  ask.view.caret = id;
  ask.give(groups.length ? groups.map((group) => [...group].sort()) : undefined);
  announce(placeOf(groups, id));
}

function placeOf(groups, id) {
  const index = groups.findIndex((group) => group.includes(id));
  return index < 0 ? `${id} is not placed` : `${id}: place ${index + 1}${groups[index].length > 1 ? ", equal with " + groups[index].filter((one) => one !== id).join(", ") : ""}`;
}

/** The candidate at the caret up or down by one: out of a group of equals first, then past the next group. */
function move(ask, by) {
  const groups = (ask.value ?? ask.proposed ?? []).map((group) => [...group]);
  const id = ask.view.caret;
  const from = groups.findIndex((group) => group.includes(id));
  if (from < 0) return;
  const alone = groups[from].length === 1;
  const rest = without(groups, id);
  const to = alone ? from + by : by < 0 ? from : from + 1;
  rest.splice(Math.max(0, Math.min(rest.length, to)), 0, [id]);
  give(ask, rest, id);
}

function joinAbove(ask) {
  if (ask.question.ties === false) return ask.note("Nothing may stand equal here.");
  const groups = (ask.value ?? []).map((group) => [...group]);
  const index = groups.findIndex((group) => group.includes(ask.view.caret));
  if (index < 0 || (open(ask).length && index === groups.length - 1 && groups[index].length === 1)) {
    ask.view.tie = groups.length > 0; // the next one picked is equal to the last
    return ask.note(ask.view.tie ? "The next one you pick is equal to the last." : "Pick one first.");
  }
  const id = ask.view.caret;
  if (groups[index].length > 1) return move(ask, 1);
  if (index === 0) return;
  const above = [...groups[index - 1], id];
  give(ask, [...groups.slice(0, index - 1), above, ...groups.slice(index + 1)], id);
}

function row(ask, one, number, place) {
  const caret = ask.live && ask.view.caret === one.id;
  const said = el("div", { class: "wb-text", dir: "auto" });
  said.textContent = textOf(one.text ?? one.content ?? one.title ?? one.id);
  const made = el("button", { type: "button", class: `wb-candidate${caret ? " wb-caret" : ""}${place ? " wb-placed" : ""}`, "data-candidate": one.id, disabled: !ask.live },
    el("span", { class: "wb-place", "aria-hidden": "true" }, place ?? "–"), el("span", { class: "sr" }, place ? `place ${place}: ` : "not placed: "), said, number < 10 && el("kbd", { "aria-hidden": "true" }, (number + 1) % 10));
  made.addEventListener("click", () => pick(ask, one.id));
  return el("li", {}, made);
}

export const ranking = {
  options: () => [],
  ready: (question, value, task) => flat(value).length > 0 && (!task || flat(value).length === (at(task.payload, fieldOf(question)) ?? []).length),
  say: (question, value) => value.map((group) => group.join(" = ")).join(" > "),
  digits: (ask) => candidates(ask).length,
  press(ask, index) {
    const one = candidates(ask)[index];
    if (one) pick(ask, one.id);
    // Of two that are left, the choice of one places the other.
    const left = open(ask);
    if (one && left.length === 1 && candidates(ask).length > 1 && flat(ask.value).includes(one.id)) ask.give([...ask.value, [left[0].id]]);
  },
  commands: { tie: joinAbove },
  buttons: (question) => (question.ties === false ? [] : [["tie", "Equal"]]),
  keydown(ask, event) {
    if (!["ArrowUp", "ArrowDown"].includes(event.key)) return false;
    const by = event.key === "ArrowUp" ? -1 : 1;
    if (event.shiftKey) move(ask, by);
    else {
      const order = shownOrder(ask).map((one) => one.id);
      ask.view.caret = order[Math.max(0, Math.min(order.length - 1, order.indexOf(ask.view.caret) + by))] ?? order[0];
      const one = candidates(ask).find((each) => each.id === ask.view.caret);
      announce(`${placeOf(ask.value ?? [], ask.view.caret)}: ${textOf(one.text ?? one.content ?? "").slice(0, 120)}`);
      ask.redraw();
    }
    return true;
  },
  uses: (question) => [fieldOf(question)],
  compare(question, value, task) {
    const text = new Map((at(task.payload, fieldOf(question)) ?? []).map((one) => [one.id, textOf(one.text ?? one.content ?? one.title ?? one.id)]));
    return el("ol", { class: "wb-order" }, value.map((group) => el("li", { dir: "auto" }, group.map((id) => text.get(id) ?? id).join(" = "))));
  },
  draw(ask) {
    const groups = ask.value ?? [];
    const placed = new Map(groups.flatMap((group, index) => group.map((id) => [id, index + 1])));
    const numbers = new Map(candidates(ask).map((one, index) => [one.id, index]));
    return el("section", { class: "wb-card wb-ranking" },
      el("ol", { "aria-label": "Candidates, best first" }, shownOrder(ask).map((one) => row(ask, one, numbers.get(one.id), placed.get(one.id)))),
      ask.live && el("p", { class: "wb-none" }, "Press the numbers, best first. ↑ ↓ walk, shift ↑ ↓ move", ask.question.ties !== false && ", = puts equal", "."));
  },
};

/** What is picked stands first, in its order; the rest as it was served. */
function shownOrder(ask) {
  const byId = new Map(candidates(ask).map((one) => [one.id, one]));
  return [...flat(ask.value).map((id) => byId.get(id)).filter(Boolean), ...open(ask)];
}
