// Conversations and trajectories: turns that can be linked to, tool calls with their arguments folded.

import { el, textOf, words } from "./dom.js";

const ROLES = { user: "Person", assistant: "Model", system: "System prompt", tool: "Tool" };
const LONG = 1_200; // characters of a tool's answer that are shown unfolded

/** The turns as a list. `judged`: the index of the one in question; `anchor`: what their ids begin with. */
export function turns(list, { judged = -1, anchor = "turn", label = "Conversation", note = "the reply in question" } = {}) {
  return el("ol", { class: "wb-talk", "aria-label": label }, list.map((turn, index) => turnItem(turn, index, index === judged, anchor, note)));
}

function turnItem(turn, index, judged, anchor, note) {
  const role = ROLES[turn.role] ?? words(turn.role ?? turn.name ?? "");
  const id = `${anchor}-${index + 1}`;
  const body = el("div", { class: "wb-text", dir: "auto" });
  body.textContent = textOf(turn.content);
  const calls = (turn.tool_calls ?? []).map(callItem);
  const link = el("a", { class: "wb-anchor", href: `#${id}`, "aria-label": `Link to turn ${index + 1}` }, `${index + 1}`);
  const title = `${role}${turn.role === "tool" && turn.name ? ` · ${turn.name}` : ""}${judged ? ` · ${note}` : ""}`;
  const folded = turn.role === "system" || (turn.role === "tool" && body.textContent.length > LONG);
  const content = folded ? el("details", {}, el("summary", {}, title), body, calls) : [el("span", { class: "wb-role" }, title), body.textContent && body, calls];
  return el("li", { id, tabindex: -1, class: `wb-turn wb-${turn.role in ROLES ? turn.role : "other"}${judged ? " wb-judged" : ""}` }, link, content);
}

/** A call of a tool: its name and its arguments in one line, unfolded to read them whole. */
export function callItem(made) {
  let given = made.arguments ?? made.args ?? made.function?.arguments ?? "";
  let pretty = textOf(given);
  try {
    given = typeof given === "string" ? JSON.parse(given) : given;
    pretty = JSON.stringify(given, null, 1);
  } catch {
    // Not JSON: shown as the model wrote it.
  }
  const name = made.name ?? made.function?.name ?? "tool";
  const line = pretty.replace(/\s+/g, " ");
  if (line.length <= 60) return el("pre", { class: "wb-call", dir: "auto" }, `${name} ${line}`);
  return el("details", { class: "wb-call" }, el("summary", { dir: "auto" }, el("b", {}, name), ` ${line.slice(0, 59)}…`), el("pre", { dir: "auto" }, pretty));
}
