// Unpacks what the exporter packed: base64, gzip, byte planes, differences along time.

export function readData() {
  return JSON.parse(document.getElementById("data").textContent);
}

export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
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
  const bytes = await gunzip(bytesOf(track.data));
  return { values: undiff(bytes, 0, track.rows, track.columns, Int16Array), columns: track.columns, quantum: track.quantum };
}

export async function unpackMannequin(packed) {
  const { vertices, faces } = packed;
  const bytes = await gunzip(bytesOf(packed.data));
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

// 16-bit samples -> a WAV file, which every browser plays and seeks in to the sample.
export async function unpackVoice({ rate, track }) {
  const { values } = await unpackTrack(track);
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
