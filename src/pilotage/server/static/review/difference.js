// The difference of two texts, word by word: what was taken out and what was put in.

import { el } from "./dom.js";

const MAX_WORDS = 3_000; // the table of the comparison grows with the product of both

/** [{kind: "same" | "out" | "in", text}] from `before` to `after` (longest common subsequence of words). */
export function differences(before, after) {
  const old = before.match(/\s+|[^\s]+/g) ?? [];
  const now = after.match(/\s+|[^\s]+/g) ?? [];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < old.length - head && tail < now.length - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const middleOld = old.slice(head, old.length - tail);
  const middleNow = now.slice(head, now.length - tail);
  const parts = [];
  const push = (kind, text) => {
    if (!text) return;
    if (parts.at(-1)?.kind === kind) parts.at(-1).text += text;
    else parts.push({ kind, text });
  };
  push("same", old.slice(0, head).join(""));
  if (middleOld.length > MAX_WORDS || middleNow.length > MAX_WORDS) {
    push("out", middleOld.join(""));
    push("in", middleNow.join(""));
  } else {
    const width = middleNow.length + 1;
    const table = new Uint16Array((middleOld.length + 1) * width);
    for (let i = middleOld.length - 1; i >= 0; i--) {
      for (let j = middleNow.length - 1; j >= 0; j--) {
        table[i * width + j] = middleOld[i] === middleNow[j] ? table[(i + 1) * width + j + 1] + 1 : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
      }
    }
    let i = 0;
    let j = 0;
    while (i < middleOld.length && j < middleNow.length) {
      if (middleOld[i] === middleNow[j]) {
        push("same", middleOld[i++]);
        j += 1;
      } else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) push("out", middleOld[i++]);
      else push("in", middleNow[j++]);
    }
    push("out", middleOld.slice(i).join(""));
    push("in", middleNow.slice(j).join(""));
  }
  push("same", tail ? old.slice(-tail).join("") : "");
  return parts;
}

/** The difference as a paragraph: `del` and `ins` are read out as such. */
export const marked = (before, after) =>
  el("div", { class: "wb-text wb-difference", dir: "auto" }, differences(before, after).map(({ kind, text }) => (kind === "same" ? text : el(kind === "out" ? "del" : "ins", {}, text))));
