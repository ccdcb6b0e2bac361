// Parts of an item's payload by path, as the rubric names them (`messages.-1.content`).

/** The part of `payload` at `path`, or undefined. Numbers count list entries; -1 is the last. */
export function at(payload, path) {
  let here = payload;
  for (const step of String(path).split(".")) {
    if (Array.isArray(here) && /^-?\d+$/.test(step)) here = here.at(Number(step));
    else if (here && typeof here === "object" && !Array.isArray(here)) here = here[step];
    else return undefined;
  }
  return here;
}

/** The text at `path`; of a turn, what was said in it. */
export function textAt(payload, path) {
  const found = at(payload, path);
  const said = found && typeof found === "object" && !Array.isArray(found) ? found.content : found;
  return typeof said === "string" ? said : undefined;
}

/** The turns of a conversation or trajectory, under whichever of its names, with that name. */
export function talkOf(payload) {
  for (const name of ["conversation", "messages", "trajectory", "turns"]) if (Array.isArray(payload?.[name])) return { name, turns: payload[name] };
  return { name: "", turns: [] };
}
