// The person's last decisions, newest first; each can be looked at again.

import { look } from "./deciding.js";
import { say } from "./answers.js";
import { desk } from "./desk.js";
import { $, el, queue } from "./dom.js";
import { call } from "./server.js";

export function showHistory() {
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

/** What was decided before this page was opened. */
export async function fetchHistory() {
  try {
    const got = await call("GET", `history?${new URLSearchParams({ queue, limit: 10 })}`);
    const local = new Set(desk.decisions.map((decision) => decision.task_id));
    const past = got.decisions.filter((decision) => !local.has(decision.task_id)).map((decision) => ({
      ...decision,
      said: ["skipped", "escalated"].includes(decision.kind) ? decision.kind : Object.entries(decision.answers).map(([name, value]) => say(questionNamed(name), value)).join(", ") || decision.kind,
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
