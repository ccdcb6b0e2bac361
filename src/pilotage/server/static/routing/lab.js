// The threshold of a calibration report, moved by mouse, finger or keys. Every figure was reckoned on the server, one set a point: nothing is computed here.

const place = document.querySelector("[data-explorer]");
const points = JSON.parse(place.dataset.points);
const track = place.querySelector("[data-track]");
const handle = place.querySelector("[data-handle]");
const field = place.querySelector("[data-field]");
const chip = place.querySelector("[data-chip]");
const told = [...place.querySelectorAll("[data-told]")];
const CHIPS = { certified: ["good", "selective guarantee"], stricter: ["wait", "stricter"], none: ["bad", "no guarantee"] };
let at = Number(place.dataset.start);

function show(next) {
  at = Math.min(Math.max(next, 0), points.length - 1);
  const point = points[at];
  handle.setAttribute("transform", `translate(${point.x} 0)`);
  for (const line of place.querySelectorAll("[data-cursor]")) for (const end of ["x1", "x2"]) line.setAttribute(end, point.x);
  for (const mark of place.querySelectorAll("[data-at]")) {
    mark.setAttribute("cx", point.x);
    mark.setAttribute("cy", point[mark.dataset.at]);
  }
  for (const part of told) part.textContent = point.told[part.dataset.told] ?? "–";
  const [tone, words] = CHIPS[point.promise];
  chip.className = `chip ${tone}`;
  chip.textContent = words;
  field.value = point.value.toFixed(4);
  handle.setAttribute("aria-valuenow", at + 1);
  handle.setAttribute("aria-valuetext", point.said);
}

function nearest(event) {
  const seen = new DOMPoint(event.clientX, event.clientY).matrixTransform(track.getScreenCTM().inverse()).x;
  let best = 0;
  points.forEach((point, index) => {
    if (Math.abs(point.x - seen) < Math.abs(points[best].x - seen)) best = index;
  });
  return best;
}

// What only works with script says so only where there is script.
for (const [name, value] of [
  ["role", "slider"],
  ["tabindex", "0"],
  ["aria-label", "Accept from this confidence on, strict to loose"],
  ["aria-valuemin", "1"],
  ["aria-valuemax", points.length],
]) handle.setAttribute(name, value);
place.querySelector("[data-hint]").hidden = false;
place.classList.add("live");
show(at);

const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
handle.addEventListener("keydown", (event) => {
  if (!(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  show(at + steps[event.key]);
});

// A press anywhere on the bar, or on either curve, moves the threshold there.
for (const drawing of [track, ...place.querySelectorAll(".curve")]) {
  drawing.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    drawing.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    show(nearest(event));
  });
  drawing.addEventListener("pointermove", (event) => {
    if (drawing.hasPointerCapture(event.pointerId)) show(nearest(event));
  });
}
