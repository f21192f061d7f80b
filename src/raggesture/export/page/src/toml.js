// The plan as a file, SPEECH.plan.toml: the text that `raggesture generate SPEECH.wav --plan` reads.

const SHORT = { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\" };

// A basic string of TOML. Half a surrogate pair is no text: it becomes "?", as in the trace.
export function tomlString(text) {
  const whole = String(text).replace(/[\ud800-\udfff]/gu, "?");
  const escaped = whole.replace(/["\\\u0000-\u001f\u007f]/g, (sign) => SHORT[sign] ?? `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `"${escaped}"`;
}

export function tomlFloat(value) {
  if (!Number.isFinite(value)) throw new Error(`plan: ${value} is no number for a file`);
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

const words = (values) => `[${values.map(tomlString).join(", ")}]`;
const floats = (values) => `[${values.map(tomlFloat).join(", ")}]`;

function table(name, rows) {
  const lines = rows.filter(([, value]) => value !== null).map(([key, value]) => `${key} = ${value}`);
  return [name, ...lines, ""].join("\n");
}

function exemplarRows({ exemplar, score }) {
  const { clip, stroke, start, end, word, kind, gesture, speaker } = exemplar;
  return [
    ["clip", tomlString(clip)], ["stroke", tomlFloat(stroke)], ["start", tomlFloat(start)], ["end", tomlFloat(end)], ["word", tomlString(word)],
    ["kind", tomlString(kind)], ["gesture", tomlString(gesture ?? "")], ["speaker", tomlString(speaker ?? "")], ["score", tomlFloat(score)],
  ];
}

// A slot holds for the stroke it was found for: a gesture whose stroke was moved is placed anew.
function gestureTables(gesture) {
  const slot = gesture.slot && gesture.shift === 0 ? floats(gesture.slot) : null;
  const rows = [
    ["word", tomlString(gesture.word)], ["kind", tomlString(gesture.kind)], ["gesture", tomlString(gesture.gesture)],
    ["start", tomlFloat(gesture.start)], ["end", tomlFloat(gesture.end)], ["stroke", gesture.stroke === null ? null : tomlFloat(gesture.stroke)],
    ["shift_s", tomlFloat(gesture.shift)], ["weight", tomlFloat(gesture.weight)], ["parts", gesture.parts.length ? words(gesture.parts) : null],
    ["slot", slot], ["prominence", gesture.prominence === null ? null : tomlFloat(gesture.prominence)], ["use", gesture.choices.length ? gesture.use : null],
  ];
  const [chosen, ...others] = gesture.choices;
  return [
    table("[[gesture]]", rows),
    ...(chosen ? [table("[gesture.exemplar]", exemplarRows(chosen))] : []),
    ...others.map((other) => table("[[gesture.other]]", exemplarRows(other))),
  ];
}

function droppedTable({ query, reason }, queries) {
  const { word, kind, start, end } = queries[query];
  const rows = [["word", tomlString(word)], ["kind", tomlString(kind)], ["start", tomlFloat(start)], ["end", tomlFloat(end)], ["reason", tomlString(reason)]];
  return table("[[dropped]]", rows);
}

export function planText(plan) {
  const { trace } = plan;
  const { speech, model, index } = trace;
  const retriever = trace.settings?.["generate.retriever"]?.value ?? "";
  return [
    "schema = 1\n",
    table("[speech]", [["name", tomlString(speech.name)], ["duration_s", tomlFloat(speech.duration_s)], ["sha256", tomlString(speech.sha256)]]),
    table("[made]", [
      ["retriever", tomlString(retriever)], ["model", tomlString(model?.name ?? "")], ["model_sha256", tomlString(model?.sha256 ?? "")],
      ["index", tomlString(index?.name ?? "")], ["index_sha256", tomlString(index?.sha256 ?? "")],
    ]),
    ...plan.kept.flatMap(gestureTables),
    ...(trace.drops ?? []).map((drop) => droppedTable(drop, trace.queries)),
  ].join("\n");
}

// A word of a command line, in quotes where a shell would not take it as it is.
function shellWord(text) {
  const plain = text.startsWith("-") ? `./${text}` : text;
  return /^[\w./:@%+,=-]+$/.test(plain) ? plain : `'${plain.replaceAll("'", "'\\''")}'`;
}

export function planFile(name) {
  return `${name}.plan.toml`;
}

export function planCommand(plan, name) {
  const speech = plan.trace.speech.file || `${plan.trace.speech.name}.wav`;
  return `raggesture generate ${shellWord(speech)} --plan ${shellWord(planFile(name))}`;
}
