// The whole result on one line: voice, gestures, and what of it the strip above shows.
import { fit } from "./levels.js";
import { spanOf } from "./plan.js";
import { clockText } from "./story.js";

export class Overview {
  constructor(levels, plan, player) {
    Object.assign(this, { levels, plan, player });
    this.node = document.getElementById("overview");
    this.canvas = this.node.querySelector("canvas");
    this.node.setAttribute("aria-valuemax", player.duration.toFixed(1));
    plan.onchange(() => (this.drawn = null));
    this.scrub();
  }

  // Press or drag seeks to the place under the pointer.
  scrub() {
    const seek = (event) => {
      const box = this.node.getBoundingClientRect();
      this.player.seek(((event.clientX - box.left) / box.width) * this.player.duration);
    };
    this.node.addEventListener("pointerdown", (event) => {
      this.node.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.node.addEventListener("pointermove", (event) => this.node.hasPointerCapture(event.pointerId) && seek(event));
  }

  colours(ink) {
    this.ink = ink;
    this.drawn = null;
  }

  resize() {
    fit(this.canvas);
    this.drawn = null;
  }

  // `from` to `to`: the seconds in sight in the strip.
  update(time, from, to) {
    this.node.setAttribute("aria-valuenow", time.toFixed(1));
    this.node.setAttribute("aria-valuetext", clockText(time));
    const { width, height } = this.canvas;
    const { duration } = this.player;
    if (!width || !height) return;
    this.drawn ??= this.draw(width, height, duration);
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const left = Math.max(0, from / duration) * width;
    const right = Math.min(1, to / duration) * width;
    pen.fillStyle = this.ink("--window");
    pen.fillRect(left, 0, right - left, height);
    pen.drawImage(this.drawn, 0, 0);
    const x = (time / duration) * width;
    pen.fillStyle = this.ink("--played");
    pen.fillRect(0, 0, x, height);
    pen.fillStyle = this.ink("--accent");
    pen.fillRect(x - devicePixelRatio, 0, 2 * devicePixelRatio, height);
  }

  draw(width, height, duration) {
    const drawn = document.createElement("canvas");
    Object.assign(drawn, { width, height });
    const pen = drawn.getContext("2d");
    const lane = height * 0.24;
    pen.fillStyle = this.ink("--wave");
    for (let x = 0; x < width; x++) {
      const tall = Math.max(1, this.levels.between((x / width) * duration, ((x + 1) / width) * duration) * (height - lane - 2));
      pen.fillRect(x, lane + 2 + (height - lane - 2 - tall) / 2, 1, tall);
    }
    for (const gesture of this.plan.drawn) {
      const [from, to] = spanOf(gesture);
      pen.fillStyle = this.ink(`--${gesture.family}`);
      pen.fillRect((from / duration) * width, 0, Math.max(2, ((to - from) / duration) * width - 1), lane - 1);
    }
    return drawn;
  }
}
