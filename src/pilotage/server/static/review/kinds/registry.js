// The kinds of questions, and what the screen asks of each. A new kind (marks on a recording, say) is one object more in `kinds`: nothing else on the
// screen knows a kind by name.
//
// Every function gets an *ask*: what is asked now, of which item, and where the answer goes.
//
//   ask.question   the question as the rubric declares it
//   ask.task       the item, with its payload
//   ask.value      the person's answer so far; undefined before the first key
//   ask.proposed   what a machine proposes and may be shown; undefined where nothing is
//   ask.view       what belongs to looking and not to the answer (the caret); kept until the next item
//   ask.live       false where the screen only shows: a past decision, or a question that is not in focus
//   ask.give(value, {done})   take `value` as the answer; `done` goes on to the next question, or records where there is one question
//   ask.redraw()   draw again after a change of the view
//
// A kind is made of these; all but the first three may be left out:
//
//   options(question)         what the digits give, in order: [{value, label, key}]
//   ready(question, value)    whether `value` answers the question
//   say(question, value, task)   the answer in words, for buttons, history and screen readers
//   brief(question, value, task) the same beside the question's own words
//   press(ask, index)         a digit or an option's key was pressed
//   commands                  {name: (ask, again) => …}: commands of keys.js that mean something here (prefer_first, tie, …)
//   keydown(ask, event)       keys that move about (arrows); true if it was one
//   draw(ask)                 what the stage shows of it, besides the item
//   compare(question, value, task)  an answer drawn beside others of the same item; words, where left out
//   after(ask)                called once it is on the page
//   uses(question)            fields of the payload that `draw` shows, so that the stage does not show them again
//   start(ask)                the answer that correcting begins with (the proposal, unless told)
//   empty(question)           what the record key says before anything was chosen: "nothing here", where that is an answer
//   opposite(question, value) the one answer that contradicts `value`, if there is exactly one
//   written                   true where the answer is written into a field of its own, beside the item

import { bool, choice, choices, rating } from "./options.js";
import { pair } from "./pair.js";
import { ranking } from "./ranking.js";
import { spans } from "./spans.js";

const text = { written: true, options: () => [], ready: (_, value) => Boolean(value?.trim()), say: (question) => question.name };

export const kinds = { choice, choices, rating, bool, text, edit: text, spans, pair, ranking };

export const kindOf = (question) => kinds[question.kind] ?? text;
