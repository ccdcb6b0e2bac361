// Places in a text. The server counts Unicode code points; the browser's strings count UTF-16 units. Everything that leaves or enters goes through here.

/** A text with its words and both ways of counting. Cost: one pass over the text, once an item. */
export function measured(text) {
  const points = Array.from(text);
  const unit = new Int32Array(points.length + 1); // code point -> UTF-16 unit
  const point = new Int32Array(text.length + 1); // UTF-16 unit -> code point
  let at = 0;
  points.forEach((one, index) => {
    unit[index] = at;
    for (let step = 0; step < one.length; step++) point[at + step] = index;
    at += one.length;
  });
  unit[points.length] = at;
  point[at] = points.length;
  const words = [];
  for (const part of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
    if (part.isWordLike || /[^\s\p{P}]/u.test(part.segment)) words.push({ start: point[part.index], end: point[part.index + part.segment.length] ?? points.length });
  }
  return { text, length: points.length, unit, point, words, slice: (start, end) => text.slice(unit[start], unit[end]) };
}

/** The index of the word at `place`, or of the nearest one after it. */
export function wordAt(words, place) {
  let low = 0;
  let high = words.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle].end > place) high = middle;
    else low = middle + 1;
  }
  return Math.max(0, low);
}

/** Ends of characters as a reader sees them (an emoji with its joiners is one): the next place after `from` in the direction `by`. */
export function nextCharacter(measure, from, by) {
  const { text, unit, point } = measure;
  const window = by > 0 ? text.slice(unit[from], unit[from] + 64) : text.slice(Math.max(0, unit[from] - 64), unit[from]);
  const parts = [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(window)];
  const part = by > 0 ? parts[0] : parts.at(-1);
  if (!part) return from;
  return by > 0 ? point[unit[from] + part.segment.length] : point[unit[from] - part.segment.length];
}

/** The text node and offset inside `holder` of a UTF-16 place, text nodes only. */
export function nodeAt(holder, unit) {
  const walker = document.createTreeWalker(holder, NodeFilter.SHOW_TEXT);
  let left = unit;
  let node = walker.nextNode();
  while (node && left > node.length) {
    left -= node.length;
    node = walker.nextNode() ?? node;
  }
  return node ? [node, Math.min(left, node.length)] : [holder, 0];
}

/** The UTF-16 place inside `holder` of a node and offset, or null where they are outside. */
export function unitOf(holder, node, offset) {
  if (!holder.contains(node)) return null;
  const range = document.createRange();
  range.setStart(holder, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

/** Where the characters from `start` to `end` (code points) stand on the screen. */
export function boxOf(holder, measure, start, end) {
  const range = document.createRange();
  range.setStart(...nodeAt(holder, measure.unit[start]));
  range.setEnd(...nodeAt(holder, measure.unit[end]));
  const boxes = range.getClientRects();
  return boxes[0] ?? range.getBoundingClientRect();
}
