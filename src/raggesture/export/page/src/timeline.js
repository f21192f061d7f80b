// The strip around the current moment (gestures, waveform, words) and the overview of the whole.
import { bytesOf } from "./data.js";
import { clockText, element, lastStarted } from "./story.js";

const PIXELS_PER_S = 140;
const NEEDLE = 0.35;

export class Timeline {
  constructor(data, story, player, card) {
    Object.assign(this, { story, player, card });
    this.levels = data.peaks ? bytesOf(data.peaks.data) : new Uint8Array(0);
    this.rate = data.peaks?.rate ?? 1;
    this.detail = document.getElementById("detail");
    this.strip = document.getElementById("strip");
    this.wave = document.getElementById("wave");
    this.overview = document.getElementById("overview");
    this.map = this.overview.querySelector("canvas");
    this.shown = new Map();
    this.longest = Math.max(0, ...story.gestures.map((g) => g.end_s - g.start_s));
    this.overview.setAttribute("aria-valuemax", player.duration.toFixed(1));
    this.scrub(this.overview, (x, width) => (x / width) * player.duration);
    this.drag();
  }

  // Press or drag on the overview seeks to the place under the pointer.
  scrub(target, secondsAt) {
    const seek = (event) => {
      const box = target.getBoundingClientRect();
      this.player.seek(secondsAt(event.clientX - box.left, box.width));
    };
    target.addEventListener("pointerdown", (event) => {
      target.setPointerCapture(event.pointerId);
      seek(event);
    });
    target.addEventListener("pointermove", (event) => target.hasPointerCapture(event.pointerId) && seek(event));
  }

  // The strip moves under the pointer; a click without movement seeks to that place.
  drag() {
    let from = null;
    this.detail.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      from = { x: event.clientX, time: this.player.time, moved: false };
      this.detail.setPointerCapture(event.pointerId);
    });
    this.detail.addEventListener("pointermove", (event) => {
      if (!from) return;
      const step = event.clientX - from.x;
      from.moved ||= Math.abs(step) > 4;
      if (from.moved) this.player.seek(from.time - step / PIXELS_PER_S);
    });
    this.detail.addEventListener("pointerup", (event) => {
      if (from && !from.moved) {
        const box = this.detail.getBoundingClientRect();
        this.player.seek(from.time + (event.clientX - box.left - box.width * NEEDLE) / PIXELS_PER_S);
      }
      from = null;
    });
    this.detail.addEventListener("pointercancel", () => (from = null));
  }

  colours(style) {
    this.ink = (name) => style.getPropertyValue(name).trim();
    this.drawnMap = null;
  }

  resize() {
    for (const canvas of [this.wave, this.map]) {
      const { clientWidth, clientHeight } = canvas;
      canvas.width = Math.round(clientWidth * devicePixelRatio);
      canvas.height = Math.round(clientHeight * devicePixelRatio);
    }
    this.width = this.detail.clientWidth;
    this.drawnMap = null;
  }

  update(time) {
    const from = time - (this.width * NEEDLE) / PIXELS_PER_S;
    const to = from + this.width / PIXELS_PER_S;
    this.strip.style.transform = `translateX(${-from * PIXELS_PER_S}px)`;
    this.fill(from - 1, to + 1, time);
    this.drawWave(from, to, time);
    this.drawMap(time);
    this.overview.setAttribute("aria-valuenow", time.toFixed(1));
    this.overview.setAttribute("aria-valuetext", clockText(time));
  }

  // Only what is in sight is in the document: an hour has thousands of words.
  fill(from, to, time) {
    const { words, gestures } = this.story;
    const wanted = new Set();
    for (let k = Math.max(0, lastStarted(words, from) - 3); k < words.length && words[k].start < to; k++) wanted.add(words[k]);
    for (let k = Math.max(0, lastStarted(gestures, from - this.longest, (g) => g.start_s)); k < gestures.length && gestures[k].start_s < to; k++) {
      wanted.add(gestures[k]);
    }
    for (const [item, node] of this.shown) {
      if (!wanted.has(item) && node !== document.activeElement) {
        node.remove();
        this.shown.delete(item);
      }
    }
    for (const item of wanted) if (!this.shown.has(item)) this.shown.set(item, this.strip.appendChild("asked" in item ? this.bar(item) : this.word(item)));
    for (const [item, node] of this.shown) {
      const start = item.start_s ?? item.start;
      node.classList.toggle("now", start <= time && time < (item.end_s ?? item.end));
    }
  }

  word(word) {
    const node = element("span", { class: "word" }, word.text);
    if (word.family) node.dataset.family = word.family;
    node.style.left = `${word.start * PIXELS_PER_S}px`;
    node.style.width = `${Math.max(6, (word.end - word.start) * PIXELS_PER_S)}px`;
    if (word.prominence !== null) {
      const mark = element("i", { title: `prominence ${word.prominence.toFixed(2)}` });
      mark.style.height = `${Math.round(Math.min(1, Math.max(0, word.prominence / 3)) * 22) + 1}px`;
      node.append(mark);
    }
    return node;
  }

  bar(gesture) {
    const percent = Math.round(gesture.strength * 100);
    const label = `${gesture.word}: ${gesture.kind} gesture from ${gesture.clip}, strength ${percent} %, at ${clockText(gesture.start_s)}`;
    const node = element("button", { type: "button", class: "bar", "aria-label": label, "data-family": gesture.family });
    node.append(element("b", {}, gesture.word), ` ${gesture.kind} · ${gesture.clip} · ${percent} %`);
    node.style.left = `${gesture.start_s * PIXELS_PER_S}px`;
    node.style.width = `${(gesture.end_s - gesture.start_s) * PIXELS_PER_S - 2}px`;
    node.style.setProperty("--strength", gesture.strength.toFixed(3));
    const stroke = element("i", {});
    const middle = gesture.asked.stroke ?? (gesture.asked.start + gesture.asked.end) / 2;
    stroke.style.left = `${(middle - gesture.start_s) * PIXELS_PER_S}px`;
    node.append(stroke);
    this.card.attach(node, gesture);
    node.addEventListener("click", () => this.player.seek(gesture.start_s));
    return node;
  }

  level(from, to) {
    let most = 0;
    const first = Math.max(0, Math.floor(from * this.rate));
    const last = Math.min(this.levels.length, Math.max(first + 1, Math.ceil(to * this.rate)));
    for (let k = first; k < last; k++) most = Math.max(most, this.levels[k]);
    return most / 255;
  }

  drawWave(from, to, time) {
    const pen = this.wave.getContext("2d");
    const { width, height } = this.wave;
    pen.clearRect(0, 0, width, height);
    const step = 3 * devicePixelRatio;
    const perPixel = (to - from) / width;
    const first = Math.floor(from / perPixel / step) * step; // bars stay on the sound, not on the screen
    for (let x = first; x * perPixel < to; x += step) {
      const at = x * perPixel;
      if (at < 0 || at > this.player.duration) continue;
      const tall = Math.max(devicePixelRatio, this.level(at, at + step * perPixel) * height);
      pen.fillStyle = at <= time ? this.ink("--accent") : this.ink("--wave");
      pen.fillRect(x - from / perPixel, (height - tall) / 2, step * 0.6, tall);
    }
  }

  drawMap(time) {
    const pen = this.map.getContext("2d");
    const { width, height } = this.map;
    const { duration } = this.player;
    if (!this.drawnMap) {
      this.drawnMap = document.createElement("canvas");
      Object.assign(this.drawnMap, { width, height });
      const back = this.drawnMap.getContext("2d");
      const lane = height * 0.24;
      back.fillStyle = this.ink("--wave");
      for (let x = 0; x < width; x++) {
        const tall = Math.max(1, this.level((x / width) * duration, ((x + 1) / width) * duration) * (height - lane - 2));
        back.fillRect(x, lane + 2 + (height - lane - 2 - tall) / 2, 1, tall);
      }
      for (const gesture of this.story.gestures) {
        back.fillStyle = this.ink(`--${gesture.family}`);
        back.fillRect((gesture.start_s / duration) * width, 0, Math.max(2, ((gesture.end_s - gesture.start_s) / duration) * width - 1), lane - 1);
      }
    }
    if (!width || !height) return;
    pen.clearRect(0, 0, width, height);
    pen.drawImage(this.drawnMap, 0, 0);
    const x = (time / duration) * width;
    pen.fillStyle = this.ink("--played");
    pen.fillRect(0, 0, x, height);
    pen.fillStyle = this.ink("--accent");
    pen.fillRect(x - devicePixelRatio, 0, 2 * devicePixelRatio, height);
  }
}
