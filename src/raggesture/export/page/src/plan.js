// The plan: the gestures that the trace placed, each of them editable, gestures added by hand, and every edit undone. No document here.
import { familyOf, wordsOf } from "./story.js";

export const PARTS = ["upper", "hands", "face", "lower", "head", "left-arm", "right-arm"];
const DEFAULT_PARTS = ["upper", "hands"];
const KINDS = ["iconic", "deictic", "metaphoric", "beat"];

function gestureOf(place, number, trace, hits) {
  const asked = trace.queries[place.query];
  const hit = hits.get(place.query);
  return Object.freeze({
    id: `made ${number}`, added: false, removed: false, place, choices: hit ? [hit, ...(hit.runners_up ?? [])] : [],
    word: asked.word, kind: asked.kind, gesture: asked.gesture ?? "", start: asked.start, end: asked.end, stroke: asked.stroke ?? (asked.start + asked.end) / 2,
    middle: asked.stroke ?? (asked.start + asked.end) / 2, prominence: asked.prominence ?? null, weight: place.weight, shift: 0,
    parts: Object.freeze([...(asked.parts ?? [])]), slot: Object.freeze([place.start_s, place.end_s]), use: 0, family: familyOf(asked.kind),
  });
}

// Where a gesture is drawn: its slot, moved with the stroke; around its word where it has none yet.
export function spanOf(gesture) {
  const [from, to] = gesture.slot ?? [gesture.middle - 0.5, gesture.middle + 0.5];
  return [from + gesture.shift, to + gesture.shift];
}

export function strengthOf(gesture) {
  return gesture.place && gesture.weight === gesture.place.weight ? gesture.place.strength : gesture.weight;
}

export class Plan {
  constructor(data, words) {
    const trace = data.trace;
    this.trace = trace;
    this.words = words;
    this.duration = trace?.speech?.duration_s ?? data.frames / data.fps;
    this.stress = trace?.cues?.stress_s ?? [];
    const hits = new Map((trace?.hits ?? []).map((hit) => [hit.query, hit]));
    const made = (trace?.placements ?? []).map((place, number) => gestureOf(place, number, trace, hits));
    made.sort((a, b) => a.place.start_s - b.place.start_s);
    this.originals = new Map(made.map((gesture) => [gesture.id, gesture]));
    const parts = trace?.settings?.["placement.parts"]?.value;
    this.settledParts = Array.isArray(parts) && parts.length ? parts : DEFAULT_PARTS;
    this.past = [];
    this.future = [];
    this.running = null;
    this.counted = 0;
    this.listeners = [];
    this.set(Object.freeze(made));
  }

  // A plan belongs to a speech: without a trace there is nothing to write it for.
  get possible() {
    return Boolean(this.trace?.speech);
  }

  get kinds() {
    const senses = [...(this.trace?.cues?.relations ?? []).map((relation) => relation.sense), ...(this.trace?.queries ?? []).map((query) => query.kind)];
    return [...KINDS, ...new Set(senses.filter((sense) => !KINDS.includes(sense)))];
  }

  set(gestures) {
    this.gestures = gestures;
    this.kept = gestures.filter((gesture) => !gesture.removed);
    this.drawn = [...this.kept].sort((a, b) => spanOf(a)[0] - spanOf(b)[0]);
    this.longest = Math.max(0, ...this.kept.map((gesture) => spanOf(gesture)[1] - spanOf(gesture)[0]));
    this.edited = gestures.filter((gesture) => this.isEdited(gesture)).length;
    for (const word of this.words) word.family = null;
    for (const gesture of this.kept) for (const word of wordsOf(this.words, gesture)) word.family = gesture.family;
  }

  onchange(listener) {
    this.listeners.push(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  find(id) {
    return this.gestures.find((gesture) => gesture.id === id) ?? null;
  }

  isEdited(gesture) {
    return gesture !== this.originals.get(gesture.id);
  }

  gestureOn(word) {
    return this.kept.find((gesture) => wordsOf(this.words, gesture).includes(word)) ?? null;
  }

  // `run` names edits that belong together, as those of one pull at a slider: they are undone at once, until `settle`.
  change(gestures, run = null) {
    if (run === null || run !== this.running) this.past.push(this.gestures);
    this.running = run;
    this.future = [];
    this.set(Object.freeze(gestures));
    this.tell();
  }

  settle() {
    this.running = null;
  }

  edit(id, changes, run = null) {
    const before = this.find(id);
    if (!before || Object.entries(changes).every(([name, value]) => sameValue(before[name], value))) return;
    const after = Object.freeze({ ...before, ...changes });
    const original = this.originals.get(id);
    const back = original && Object.keys(original).every((name) => sameValue(original[name], after[name]));
    this.change(this.gestures.map((gesture) => (gesture === before ? (back ? original : after) : gesture)), run && `${run} of ${id}`);
  }

  weigh(id, weight, run) {
    this.edit(id, { weight: Math.min(1, Math.max(0, weight)) }, run);
  }

  // The stroke stays inside the speech.
  shift(id, seconds, run) {
    const { middle } = this.find(id);
    const to = Math.min(this.duration - middle, Math.max(-middle, seconds));
    this.edit(id, { shift: Math.round(to * 1000) / 1000 }, run);
  }

  choose(id, use) {
    this.edit(id, { use });
  }

  partsOf(gesture) {
    return gesture.parts.length ? gesture.parts : this.settledParts;
  }

  // A gesture brings at least one part: the last one stays. Returns whether the part was taken or left out.
  bring(id, part, brought) {
    const before = this.partsOf(this.find(id));
    const after = PARTS.filter((name) => (name === part ? brought : before.includes(name)));
    if (!after.length) return false;
    const original = this.originals.get(id)?.parts ?? [];
    const asBefore = !original.length && sameValue(after, PARTS.filter((name) => this.settledParts.includes(name)));
    this.edit(id, { parts: Object.freeze(asBefore ? [] : after) });
    return true;
  }

  remove(id) {
    const gesture = this.find(id);
    if (gesture.added) this.change(this.gestures.filter((other) => other !== gesture));
    else this.edit(id, { removed: true });
  }

  // What the trace says of a gesture, again.
  restore(id) {
    const original = this.originals.get(id);
    if (original && this.find(id) !== original) this.change(this.gestures.map((gesture) => (gesture.id === id ? original : gesture)));
  }

  // A gesture on a word, by hand: the retriever's best of `kind`, placed by the program.
  add(word, kind) {
    const stress = this.stress[this.words.indexOf(word)];
    const added = Object.freeze({
      id: `added ${++this.counted}`, added: true, removed: false, place: null, choices: [], word: word.text, kind, gesture: "", start: word.start, end: word.end,
      stroke: null, middle: stress ?? (word.start + word.end) / 2, prominence: word.prominence, weight: 1, shift: 0, parts: Object.freeze([]), slot: null, use: 0,
      family: familyOf(kind),
    });
    const before = this.gestures.filter((gesture) => gesture.start <= word.start);
    this.change([...before, added, ...this.gestures.slice(before.length)]);
    return added.id;
  }

  undo() {
    this.step(this.past, this.future);
  }

  redo() {
    this.step(this.future, this.past);
  }

  step(from, to) {
    if (!from.length) return;
    to.push(this.gestures);
    this.settle();
    this.set(from.pop());
    this.tell();
  }
}

function sameValue(a, b) {
  return Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((value, k) => value === b[k]) : a === b;
}
