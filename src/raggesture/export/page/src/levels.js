// How loud the voice is: absolute peaks, 0 to 1, between two instants.
import { bytesOf } from "./data.js";

export class Levels {
  constructor(peaks) {
    this.bytes = peaks ? bytesOf(peaks.data) : new Uint8Array(0);
    this.rate = peaks?.rate ?? 1;
  }

  between(from, to) {
    let most = 0;
    const first = Math.max(0, Math.floor(from * this.rate));
    const last = Math.min(this.bytes.length, Math.max(first + 1, Math.ceil(to * this.rate)));
    for (let k = first; k < last; k++) most = Math.max(most, this.bytes[k]);
    return most / 255;
  }
}

// A canvas as many points wide as the screen has under it.
export function fit(canvas) {
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
}
