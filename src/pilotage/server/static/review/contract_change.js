// A change of a source, proposed by its data: what is proposed, and the figures it rests on.

import { asked } from "./answers.js";
import { desk } from "./desk.js";
import { drawn, el, textOf, words } from "./dom.js";
import { pastNote, tagsOf } from "./screen.js";

const FIGURES = {
  ks_before: "Unlike what is stored, as it arrives (0 alike to 1)",
  ks_after: "Unlike what is stored, once converted",
  ks_runner_up: "Unlike what is stored, by the next best unit",
  conversion: "Conversion",
  count: "Values",
  share: "Share of the values",
  n: "Values looked at",
};

const figure = (value) =>
  typeof value === "number"
    ? value.toLocaleString("en", { maximumSignificantDigits: 5 }).replaceAll(",", "\u202f")
    : value && typeof value === "object"
      ? Object.entries(value).map(([name, one]) => `${words(name)} ${figure(one)}`).join(", ")
      : String(value ?? "–");

/** What is proposed, and the figures it rests on: the deciles before and after are drawn, the others are a list. */
export function contractChangeParts(task) {
  const { title = "", text = "", evidence = {}, proposal } = task.payload ?? {};
  const { deciles_old: before, deciles_new: after, n_old: nBefore, n_new: nAfter, likeness, ...figures } = evidence;
  const contract = task.slices?.contract;
  const lists = Array.isArray(before) && Array.isArray(after) && before.length > 1 && after.length > 1;
  const facts = Object.entries(figures).filter(([, value]) => value != null && (typeof value !== "object" || Object.keys(value).length > 0));
  return [
    pastNote(),
    el("section", { class: "wb-card", "aria-labelledby": "wb-prompt" },
      tagsOf(task),
      el("h2", { id: "wb-prompt", dir: "auto" }, asked(task)[desk.question]?.prompt ?? "Look at this change"),
      el("p", { class: "wb-change", dir: "auto" }, textOf(title)),
      textOf(text).split("\n").filter((line) => line && line !== `${title}.`).map((line) => el("p", { dir: "auto" }, line)),
      contract && el("p", {}, el("a", { href: `/data/contracts/${encodeURIComponent(contract)}${proposal ? `#${encodeURIComponent(proposal)}` : ""}` }, `The contract ${contract}, with its columns and earlier versions`))),
    el("section", { class: "wb-card", "aria-labelledby": "wb-evidence" },
      el("h3", { id: "wb-evidence" }, "What speaks for it"),
      lists && decileBars([["stored", before, nBefore], ["arriving", after, nAfter]]),
      likeness && typeof likeness === "object" && el("dl", { class: "wb-facts" }, Object.entries(likeness).map(([part, share]) => [el("dt", {}, `Alike in ${words(part)}, 0 to 1`), el("dd", {}, figure(share))])),
      facts.length > 0 && el("dl", { class: "wb-facts" }, facts.map(([name, value]) => [el("dt", {}, FIGURES[name] ?? words(name)), el("dd", { dir: "auto" }, figure(value))])),
      !lists && !likeness && !facts.length && el("p", { class: "wb-none" }, "No figures came with it.")),
  ].filter(Boolean);
}

/** Deciles of several sides on one scale: a line from the least to the largest, a bar for the middle 80 %, a stroke for the median; and as a table. */
function decileBars(sides) {
  const every = sides.flatMap(([, values]) => values);
  const inner = sides.flatMap(([, values]) => [values[Math.round((values.length - 1) * 0.1)], values[Math.round((values.length - 1) * 0.9)]]);
  const [low, high] = [Math.min(...every), Math.max(...every)];
  const log = low > 0 && Math.max(...inner) / Math.min(...inner) > 40;
  const bend = log ? Math.log10 : Number;
  const spread = bend(high) - bend(low) || 1;
  const at = (value) => (62 + ((bend(value) - bend(low)) / spread) * 306).toFixed(1);
  const said = sides.map(([label, values]) => `${label}: median ${figure(values[Math.round((values.length - 1) / 2)])}, from ${figure(values[0])} to ${figure(values.at(-1))}`);
  const bars = sides.map(([label, values], row) => {
    const part = (share) => values[Math.round((values.length - 1) * share)];
    return drawn("g", { transform: `translate(0 ${row * 30})`, class: row ? "last" : "first" },
      drawn("text", { class: "side", x: 0, y: 19 }, label),
      drawn("line", { class: "span", x1: at(part(0)), x2: at(part(1)), y1: 15, y2: 15 }),
      drawn("rect", { class: "half", x: at(part(0.1)), y: 7, height: 16, rx: 2, width: Math.max(3, at(part(0.9)) - at(part(0.1))).toFixed(1) }),
      drawn("line", { class: "median", x1: at(part(0.5)), x2: at(part(0.5)), y1: 5, y2: 25 }));
  });
  const height = sides.length * 30 + 18;
  return [
    drawn("svg", { class: "quantiles", viewBox: `0 0 380 ${height}`, role: "img", "aria-label": `Deciles. ${said.join(". ")}.` }, bars,
      drawn("text", { class: "tick", x: 62, y: height - 4 }, figure(low)), drawn("text", { class: "tick", x: 368, y: height - 4, "text-anchor": "end" }, figure(high))),
    el("p", { class: "hint" }, `${sides.map(([label, , n]) => (n == null ? label : `${label}, n = ${figure(n)}`)).join("; ")}${log ? "; logarithmic scale" : ""}. Line: least to largest; bar: the middle 80 %; stroke: the median.`),
    el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Deciles as figures" },
      el("table", { class: "list wb-deciles" },
        el("thead", {}, el("tr", {}, el("th", {}, "Decile"), sides[0][1].map((_, place, all) => el("th", { class: "num" }, `${Math.round((100 * place) / (all.length - 1))} %`)))),
        el("tbody", {}, sides.map(([label, values]) => el("tr", {}, el("th", { scope: "row" }, label), values.map((value) => el("td", { class: "num" }, figure(value)))))))),
  ];
}
