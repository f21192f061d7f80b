// What the trace tells, in the shape the page shows it. Without a trace: words only.

const FAMILIES = ["beat", "deictic", "iconic", "metaphoric"];

export function familyOf(kind) {
  return FAMILIES.includes(kind) ? kind : "discourse";
}

export function storyOf(data) {
  const trace = data.trace ?? {};
  const queries = trace.queries ?? [];
  const hits = new Map((trace.hits ?? []).map((hit) => [hit.query, hit]));
  const gestures = (trace.placements ?? []).map((place) => {
    const query = queries[place.query];
    const hit = hits.get(place.query);
    return { ...place, word: query.word, kind: query.kind, family: familyOf(query.kind), asked: query, hit };
  });
  gestures.sort((a, b) => a.start_s - b.start_s);
  const prominence = trace.cues?.prominence ?? [];
  const words = data.words.map((word, k) => ({ ...word, prominence: prominence[k] ?? null, family: null }));
  for (const gesture of gestures) {
    const { start, end, word } = gesture.asked;
    const said = words.filter((w) => w.start < end - 1e-3 && w.end > start + 1e-3);
    for (const w of said.length ? said : words.filter((w) => w.text === word && Math.abs(w.start - start) < 0.05)) w.family = gesture.family;
  }
  const dropped = (trace.drops ?? []).map((drop) => ({ word: queries[drop.query].word, kind: queries[drop.query].kind, reason: drop.reason }));
  return { words, lines: linesOf(words), gestures, dropped, made: madeOf(trace) };
}

// Lines of words for the caption: broken at pauses, full stops and length.
function linesOf(words) {
  const lines = [];
  let line = [];
  words.forEach((word, k) => {
    const length = line.reduce((sum, w) => sum + w.text.length + 1, 0);
    const before = words[k - 1];
    const pause = before && (word.start - before.end > 0.6 || (/[.?!]$/.test(before.text) && length > 20));
    if (line.length && (pause || length + word.text.length > 56)) {
      lines.push(line);
      line = [];
    }
    line.push(word);
  });
  if (line.length) lines.push(line);
  return lines;
}

function madeOf(trace) {
  const rows = [];
  const add = (name, value) => value !== undefined && value !== null && value !== "" && rows.push([name, String(value)]);
  add("voice", trace.speech?.file);
  add("words from", trace.transcript?.source);
  add("model", trace.model?.name);
  add("index", trace.index?.name);
  add("seed", trace.seed);
  for (const [name, setting] of Object.entries(trace.settings ?? {})) {
    const value = typeof setting.value === "object" ? JSON.stringify(setting.value) : setting.value;
    add(name, `${value} (${setting.origin})`);
  }
  for (const [name, seconds] of Object.entries(trace.timings_s ?? {})) add(`${name} took`, `${seconds.toFixed(2)} s`);
  for (const [name, version] of Object.entries(trace.versions ?? {})) add(name, version);
  return rows;
}

// Index of the last item whose start is at or before `seconds` (-1: none).
export function lastStarted(items, seconds, start = (item) => item.start) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start(items[middle]) <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function clockText(seconds) {
  const tenths = Math.floor(seconds * 10 + 1e-6);
  const minutes = Math.floor(tenths / 600);
  const hours = Math.floor(minutes / 60);
  const rest = `${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
