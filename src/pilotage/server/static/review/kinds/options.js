// Answers that are picked from a list: one option, several, a number, yes or no.

import { el, words } from "../dom.js";

export const UNDECIDED = new Set(["unclear", "unsure", "unknown", "undecided", "cannot_tell", "not_sure"]);

export const named = (question) => (question.options ?? []).map((option) => ({ ...option, label: option.label || words(option.value) }));

/** "failure", "no failure", "tone: 4": an answer in words. */
function sayOption(question, value) {
  const label = kindOptions(question).find((option) => option.value === value)?.label ?? String(value);
  const short = label.toLowerCase();
  if (short === "yes") return words(question.name);
  if (short === "no") return `no ${words(question.name)}`;
  if (UNDECIDED.has(short)) return short;
  return question.kind === "rating" ? `${words(question.name)}: ${label}` : short;
}

function kindOptions(question) {
  if (question.kind === "bool") return [{ value: true, label: "Yes", key: "" }, { value: false, label: "No", key: "" }];
  if (question.kind !== "rating") return named(question);
  if (!onKeys(question)) return [];
  const made = [];
  for (let value = Math.ceil(question.minimum); value <= question.maximum; value++) {
    // Where every value is a digit, the digit is the value: 0 gives 0.
    made.push({ value, label: String(value), key: question.minimum >= 0 && question.maximum <= 9 ? String(value) : "" });
  }
  return made;
}

/** Whether a rating has few enough whole values for the digits; else it is typed. */
const onKeys = (question) => ["nominal", "ordinal"].includes(question.scale) && Math.floor(question.maximum) - Math.ceil(question.minimum) < 10;

function opposite(question, value) {
  const others = kindOptions(question).filter((option) => option.value !== value && !UNDECIDED.has(option.value));
  return others.length === 1 && value !== undefined && !UNDECIDED.has(value) ? others[0].value : undefined;
}

export const choice = {
  options: kindOptions,
  ready: (question, value) => kindOptions(question).some((option) => option.value === value),
  say: sayOption,
  brief: (question, value) => (kindOptions(question).find((option) => option.value === value)?.label ?? String(value)).toLowerCase(),
  press: (ask, index) => ask.give(kindOptions(ask.question)[index].value, { done: true }),
  opposite,
};

export const bool = choice;

export const rating = {
  ...choice,
  ready: (question, value) => typeof value === "number" && value >= question.minimum && value <= question.maximum,
  /** A number that has no key of its own is typed. */
  draw(ask) {
    if (onKeys(ask.question)) return null;
    const { minimum, maximum, scale, prompt } = ask.question;
    const whole = ["nominal", "ordinal"].includes(scale);
    const field = el("input", { type: "number", class: "wb-number", min: minimum, max: maximum, step: whole ? 1 : "any", inputmode: "decimal", "aria-label": prompt, disabled: !ask.live });
    if (ask.value !== undefined) field.value = ask.value;
    const taken = () => (field.value !== "" && field.validity.valid ? Number(field.value) : undefined);
    field.addEventListener("input", () => ask.give(taken(), { quiet: true }));
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && taken() !== undefined) ask.give(taken(), { done: true });
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        field.blur();
      }
    });
    return el("section", { class: "wb-card wb-numeric" }, field, el("p", { class: "wb-none" }, `A number from ${minimum} to ${maximum}. Type it, then Enter.`));
  },
  after: (ask, drawn) => ask.live && ask.value === undefined && drawn?.querySelector("input")?.focus({ preventScroll: true }),
};

export const choices = {
  options: named,
  ready: (question, value) => Array.isArray(value) && value.length >= (question.at_least ?? 1) && value.length <= (question.at_most ?? Infinity),
  say: (question, value) => (value.length ? value.map((one) => named(question).find((option) => option.value === one)?.label ?? one).join(" + ").toLowerCase() : `no ${words(question.name)}`),
  press(ask, index) {
    const options = named(ask.question);
    const picked = new Set(ask.value ?? ask.proposed ?? []);
    const value = options[index].value;
    if (!picked.delete(value)) picked.add(value);
    const most = ask.question.at_most ?? Infinity;
    if (picked.size > most && picked.has(value)) return ask.note(`At most ${most} here: take one away first.`);
    ask.give(options.map((option) => option.value).filter((one) => picked.has(one)));
  },
  empty: (question) => (question.at_least === 0 ? [] : undefined),
};
