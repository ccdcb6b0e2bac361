// Small things every part of the review screen uses: elements, words, storage, what is said aloud.
//
// Everything a model or a person wrote goes into the page as text (textContent), never as markup.

export const root = document.getElementById("workbench");
export const { queue, workspace, login, pilot, purpose } = root.dataset;
export const PREFIX = `pilotage.${workspace}.${login}.${queue}`;
export const MINE = `pilotage.${login}`; // what belongs to the person, whatever the queue

export const $ = (id) => document.getElementById(id);
export const stage = $("wb-stage");
export const beside = $("wb-beside");
export const actions = $("wb-actions");

/** An element with attributes and children; strings become text. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

/** The same for drawings: attributes and classes only, since the page's policy allows no inline style. */
export function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.flat());
  return made;
}

export const words = (code) => String(code).replaceAll("_", " ");
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export function textOf(value) {
  if (value == null) return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.every((part) => part && typeof part.text === "string")) return value.map((part) => part.text).join("\n");
  return JSON.stringify(value, null, 2);
}

export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** JSON in a Storage; a browser that refuses to store is told apart from one that has nothing. */
export const keep = {
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

export function announce(text) {
  $("wb-announce").textContent = "";
  requestAnimationFrame(() => ($("wb-announce").textContent = text));
}

export function problem(text, ...more) {
  const place = $("wb-problem");
  place.hidden = !text;
  place.replaceChildren(...(text ? [text, ...more] : []));
}
