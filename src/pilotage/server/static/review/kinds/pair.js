// Which of two is better. Sides are given by the server; the answer always names the item's own a and b, wherever they stood.

import { el, textOf } from "../dom.js";
import { turns } from "../conversation.js";

const orderOf = (task) => (task.sides === "ba" ? ["b", "a"] : ["a", "b"]);
const degrees = (question) => question.strength ?? 0;
const allowed = (question, what) => question[{ tie: "ties", both_bad: "both_bad" }[what]] !== false;

function prefer(ask, place, again) {
  const preferred = orderOf(ask.task)[place];
  if (!degrees(ask.question)) return ask.give({ preferred, strength: null }, { done: true });
  // The same key again: more so.
  const more = ask.value?.preferred === preferred && again ? Math.min(degrees(ask.question), ask.value.strength + 1) : 1;
  ask.give({ preferred, strength: more });
}

const equal = (what) => (ask) => allowed(ask.question, what) && ask.give({ preferred: what, strength: null }, { done: true });

function say(question, value, task) {
  if (value.preferred === "tie") return "equally good";
  if (value.preferred === "both_bad") return "both bad";
  const place = ["first", "second"][orderOf(task ?? {}).indexOf(value.preferred)];
  return `${place} better${value.strength ? `, ${value.strength} of ${degrees(question)}` : ""}`;
}

function pane(ask, side, place) {
  const shown = ask.task.payload?.[side];
  const chosen = ask.value?.preferred === side;
  const said = Array.isArray(shown) ? turns(shown, { anchor: `wb-${side}` }) : el("div", { class: "wb-text", dir: "auto" });
  if (!Array.isArray(shown)) said.textContent = textOf(shown?.content ?? shown?.text ?? shown);
  return el("section", { class: `wb-card wb-pane${chosen ? " wb-chosen" : ""}`, "aria-label": `${["First", "Second"][place]} reply${chosen ? ", preferred" : ""}` },
    el("div", { class: "wb-row wb-spread" }, el("h3", {}, ["First", "Second"][place]), chosen && el("span", { class: "wb-tag wb-tick" }, ask.value.strength ? `better, ${ask.value.strength} of ${degrees(ask.question)}` : "better")),
    said);
}

export const pair = {
  options: (question) => Array.from({ length: degrees(question) }, (_, index) => ({ value: index + 1, label: ["a little", "clearly", "far"][index] && degrees(question) === 3 ? ["A little", "Clearly", "Far better"][index] : `${index + 1} of ${degrees(question)}`, key: "", strength: true })),
  chosen: (question, value, option) => value?.strength === option.value,
  ready: (question, value) => Boolean(value?.preferred) && (!["a", "b"].includes(value.preferred) || !degrees(question) || value.strength >= 1),
  say,
  press(ask, index) {
    if (!["a", "b"].includes(ask.value?.preferred)) return ask.note("First say which is better.");
    ask.give({ ...ask.value, strength: index + 1 }, { done: true });
  },
  commands: {
    prefer_first: (ask, again) => prefer(ask, 0, again),
    prefer_second: (ask, again) => prefer(ask, 1, again),
    tie: equal("tie"),
    both_bad: equal("both_bad"),
  },
  buttons(question) {
    return [["prefer_first", "First"], ["prefer_second", "Second"], allowed(question, "tie") && ["tie", "Equal"], allowed(question, "both_bad") && ["both_bad", "Both bad"]].filter(Boolean);
  },
  opposite: (question, value) => (["a", "b"].includes(value?.preferred) && !degrees(question) ? { preferred: value.preferred === "a" ? "b" : "a", strength: null } : undefined),
  uses: () => ["a", "b"],
  draw: (ask) => el("div", { class: "wb-pair" }, orderOf(ask.task).map((side, place) => pane(ask, side, place))),
};
