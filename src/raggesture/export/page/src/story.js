// What the trace tells, in the shape the page shows it. Without a trace: words only.

const LONGEST_WORD_S = 10;
const SAID_S = 1e-3;
const FAMILIES = ["beat", "deictic", "iconic", "metaphoric"];

export function familyOf(kind) {
  return FAMILIES.includes(kind) ? kind : "discourse";
}

export function storyOf(data) {
  const trace = data.trace ?? {};
  const queries = trace.queries ?? [];
  const prominence = trace.cues?.prominence ?? [];
  const words = data.words.map((word, k) => ({ ...word, prominence: prominence[k] ?? null, family: null, dropped: "" }));
  const dropped = (trace.drops ?? []).map(({ query, reason }) => ({ ...queries[query], reason }));
  for (const drop of dropped) for (const word of wordsOf(words, drop)) word.dropped = drop.reason;
  return { words, lines: linesOf(words), dropped, made: madeOf(trace) };
}

// The words that something was asked for: those it overlaps, else the one of its name where it starts.
export function wordsOf(words, { start, end, word }) {
  const said = [];
  for (let k = lastStarted(words, end); k >= 0 && words[k].start > start - LONGEST_WORD_S; k--) {
    if (words[k].start < end - SAID_S && words[k].end > start + SAID_S) said.push(words[k]);
  }
  return said.length ? said : words.filter((w) => w.text === word && Math.abs(w.start - start) < 0.05);
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
