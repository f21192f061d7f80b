// Unpacks what the exporter packed: base64, gzip, byte planes, differences along time.

export function readData() {
  return JSON.parse(document.getElementById("data").textContent);
}

const SLICE = 1 << 20; // letters, a multiple of four

export function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((base64.length / 4) * 3 - padding);
  for (let from = 0, at = 0; from < base64.length; from += SLICE) {
    const text = atob(base64.slice(from, from + SLICE));
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
  }
  return bytes;
}

// The bytes of one of the page's large texts, which the page then lets go of: an hour's take tens of megabytes.
function unblocked(name) {
  const node = document.getElementById(name);
  const bytes = bytesOf(node.textContent);
  node.remove();
  return gunzip(bytes);
}

async function gunzip(bytes) {
  if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to unpack the motion (no DecompressionStream)");
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Rows of differences, low bytes then high bytes -> rows of 16-bit values. `Kind` is Int16Array or Uint16Array.
function undiff(bytes, offset, rows, columns, Kind) {
  const values = new Kind(rows * columns);
  const high = offset + rows * columns;
  for (let row = 0, i = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++, i++) {
      sum = (sum + (bytes[offset + i] | (bytes[high + i] << 8))) & 0xffff;
      values[i] = sum;
    }
  }
  return values;
}

export async function unpackTrack(track) {
  const bytes = await unblocked(track.block);
  return { values: undiff(bytes, 0, track.rows, track.columns, Int16Array), columns: track.columns, quantum: track.quantum };
}

export async function unpackMannequin(packed) {
  const { vertices, faces } = packed;
  const bytes = await unblocked(packed.block);
  const places = undiff(bytes, 0, 3, vertices, Uint16Array);
  const corners = undiff(bytes, 6 * vertices, 3, faces, Uint16Array);
  const position = new Float32Array(3 * vertices);
  const index = new Uint16Array(3 * faces);
  for (let axis = 0; axis < 3; axis++) {
    for (let v = 0; v < vertices; v++) position[3 * v + axis] = packed.low[axis] + (places[axis * vertices + v] / 65535) * packed.span[axis];
    for (let f = 0; f < faces; f++) index[3 * f + axis] = corners[axis * faces + f];
  }
  const skin = 6 * vertices + 6 * faces;
  return {
    position,
    index,
    joints: bytes.slice(skin, skin + 4 * vertices),
    weights: bytes.slice(skin + 4 * vertices, skin + 8 * vertices),
    parts: packed.parts,
  };
}

// The 256 codes of a voice in 8 bits as 16-bit samples.
function expanded() {
  return Int16Array.from({ length: 256 }, (_, byte) => {
    const code = (byte << 24) >> 24;
    return Math.round((Math.sign(code) * 32767 * (256 ** (Math.abs(code) / 127) - 1)) / 255);
  });
}

// 16-bit samples, with silence after them where the motion is longer than the voice.
async function samplesOf({ rate, law, track }, seconds) {
  const bytes = await unblocked(track.block);
  const samples = new Int16Array(Math.max(track.columns, Math.ceil(seconds * rate)));
  if (law === "linear") {
    samples.set(undiff(bytes, 0, 1, track.columns, Int16Array));
    return samples;
  }
  const table = expanded();
  for (let i = 0, sum = 0; i < track.columns; i++) {
    sum = (sum + bytes[i]) & 0xff;
    samples[i] = table[sum];
  }
  return samples;
}

// A WAV file, which every browser plays and seeks in to the sample.
export async function unpackVoice(audio, seconds) {
  const { rate } = audio;
  const values = await samplesOf(audio, seconds);
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, k) => head.setUint8(at + k, letter.charCodeAt(0)));
  text(0, "RIFF");
  head.setUint32(4, 36 + 2 * values.length, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // mono
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, 2 * values.length, true);
  return new Blob([head, values], { type: "audio/wav" }); // every machine a browser runs on is little-endian
}
