// The strip around the current moment: gestures, waveform, prominence, words. It can be drawn closer or farther.
import { fit } from "./levels.js";
import { spanOf, strengthOf } from "./plan.js";
import { clockText, element, lastStarted } from "./story.js";

const NEEDLE = 0.35;
const SCALE = 140; // pixels per second
const NEAREST = 480;
const FARTHEST = 2;
const WORDS_FROM = 55; // pixels per second from which on words can be read
const BAR_FROM = 26; // pixels from which on a gesture has a bar of its own
const NARROW = 60; // pixels below which a bar has no room to spare
const CELL = 96; // pixels over which gestures too near each other are counted together
const WAVE = { top: 36, tall: 32 };
const MARKS = { bottom: 94, tall: 22, most: 3 };

export class Timeline {
  // `chosen.word(word)` and `chosen.gesture(id)` hear what was pointed at, `chosen.scale()` that more or less is in sight.
  constructor(levels, story, plan, player, card, chosen) {
    Object.assign(this, { levels, story, plan, player, card, chosen });
    this.detail = document.getElementById("detail");
    this.strip = document.getElementById("strip");
    this.wave = document.getElementById("wave");
    this.scale = SCALE;
    this.shown = new Map();
    this.drag();
    this.zooms();
    plan.onchange(() => this.renew());
  }

  // The strip moves under the pointer; a click without movement seeks to that place.
  drag() {
    let from = null;
    this.detail.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      from = { x: event.clientX, time: this.player.time, moved: false, on: event.target.closest(".word") };
      this.detail.setPointerCapture(event.pointerId);
    });
    this.detail.addEventListener("pointermove", (event) => {
      if (!from) return;
      const step = event.clientX - from.x;
      from.moved ||= Math.abs(step) > 4;
      if (from.moved) this.player.seek(from.time - step / this.scale);
    });
    this.detail.addEventListener("pointerup", (event) => {
      if (from && !from.moved) this.point(event, from.on);
      from = null;
    });
    this.detail.addEventListener("pointercancel", () => (from = null));
  }

  point(event, node) {
    const box = this.detail.getBoundingClientRect();
    this.player.seek(this.player.time + (event.clientX - box.left - box.width * NEEDLE) / this.scale);
    const found = node && [...this.shown].find(([, shown]) => shown === node);
    if (found) this.chosen.word(found[0]);
  }

  zooms() {
    document.getElementById("nearer").addEventListener("click", () => this.zoom(1.6));
    document.getElementById("farther").addEventListener("click", () => this.zoom(1 / 1.6));
    this.detail.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.player.seek(this.player.time + event.deltaX / this.scale);
      else this.zoom(Math.exp(-event.deltaY / 400));
    }, { passive: false });
  }

  zoom(by) {
    this.scale = Math.min(NEAREST, Math.max(FARTHEST, this.scale * by));
    this.renew();
    this.chosen.scale();
  }

  colours(ink) {
    this.ink = ink;
  }

  resize() {
    fit(this.wave);
    this.width = this.detail.clientWidth;
  }

  // Seconds in sight around `time`.
  sight(time) {
    const from = time - (this.width * NEEDLE) / this.scale;
    return [from, from + this.width / this.scale];
  }

  update(time) {
    const [from, to] = this.sight(time);
    this.strip.style.transform = `translateX(${-from * this.scale}px)`;
    this.fill(from, to, time);
    this.draw(from, to, time);
  }

  // All that is shown is drawn again, and what had the focus keeps it.
  renew() {
    const held = this.strip.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    for (const node of this.shown.values()) node.remove();
    this.shown.clear();
    if (!this.width) return;
    this.update(this.player.time);
    if (held) [...this.strip.children].find((node) => node.dataset.id === held)?.focus({ preventScroll: true });
  }

  // Only what is in sight is in the document, and no more than there is room for: an hour has thousands of words.
  fill(from, to, time) {
    const wanted = new Map();
    if (this.scale >= WORDS_FROM) for (const word of this.wordsBetween(from - 1, to + 1)) wanted.set(word, () => this.word(word));
    this.gesturesBetween(from - 1, to + 1, wanted);
    for (const [item, node] of this.shown) {
      if (wanted.has(item)) continue;
      if (node !== document.activeElement) {
        node.remove();
        this.shown.delete(item);
      }
    }
    for (const [item, make] of wanted) if (!this.shown.has(item)) this.shown.set(item, this.strip.appendChild(make()));
    for (const [item, node] of this.shown) {
      const [start, end] = item.id ? spanOf(item) : [item.start, item.end];
      node.classList.toggle("now", start <= time && time < end);
    }
  }

  *wordsBetween(from, to) {
    const { words } = this.story;
    for (let k = Math.max(0, lastStarted(words, from) - 3); k < words.length && words[k].start < to; k++) yield words[k];
  }

  // Bars; where they would be too narrow, one mark for all that begin in the same piece of the strip.
  gesturesBetween(earliest, latest, wanted) {
    const piece = CELL / this.scale; // whole pieces, so that what is half in sight is counted whole
    const [from, to] = [Math.floor(earliest / piece) * piece, Math.ceil(latest / piece) * piece];
    const { drawn, longest } = this.plan;
    const cells = new Map();
    let reach = -Infinity;
    for (let k = Math.max(0, lastStarted(drawn, from - longest, (g) => spanOf(g)[0])); k < drawn.length; k++) {
      const [start, end] = spanOf(drawn[k]);
      if (start >= to) break;
      if ((end - start) * this.scale >= BAR_FROM) {
        const low = start < reach - 0.05;
        wanted.set(drawn[k], () => this.bar(drawn[k], low));
        reach = Math.max(reach, end);
      } else if (start >= from) {
        const cell = Math.floor((start * this.scale) / CELL);
        cells.set(cell, [...(cells.get(cell) ?? []), drawn[k]]);
      }
    }
    for (const [cell, gestures] of cells) wanted.set(this.cellOf(cell), () => this.cluster(cell, gestures));
  }

  // The key of a piece of the strip: the same object as long as it is shown.
  cellOf(cell) {
    for (const item of this.shown.keys()) if (item.cell === cell) return item;
    return { cell };
  }

  word(word) {
    const node = element("span", { class: "word" }, word.text);
    if (word.family) node.dataset.family = word.family;
    node.style.left = `${word.start * this.scale}px`;
    node.style.width = `${Math.max(6, (word.end - word.start) * this.scale)}px`;
    const told = word.prominence === null ? [] : [`prominence ${word.prominence.toFixed(2)}`];
    if (word.dropped) {
      node.classList.add("unserved");
      told.push(`not served: ${word.dropped}`);
    }
    node.title = told.join("; ");
    if (word.prominence !== null) {
      const mark = element("i");
      mark.style.height = `${markTall(word.prominence)}px`;
      node.append(mark);
    }
    return node;
  }

  bar(gesture, low) {
    const percent = Math.round(strengthOf(gesture) * 100);
    const edited = gesture.added ? "added" : this.plan.isEdited(gesture) ? "edited" : "";
    const clip = gesture.choices[gesture.use]?.exemplar.clip ?? gesture.place?.clip ?? "the best match";
    const measure = gesture.place && gesture.weight === gesture.place.weight ? "strength" : "weight";
    const [from, to] = spanOf(gesture);
    const label = `${gesture.word}: ${gesture.kind} gesture from ${clip}, ${measure} ${percent} %, at ${clockText(Math.max(0, from))}${edited && `, ${edited}`}`;
    const node = element("button", { type: "button", class: `bar ${edited}${low ? " low" : ""}`, "aria-label": label, "data-family": gesture.family });
    node.dataset.id = gesture.id;
    node.append(element("b", {}, gesture.word), ` ${edited ? `${edited} · ` : ""}${gesture.kind} · ${clip} · ${percent} %`);
    node.style.left = `${from * this.scale}px`;
    node.style.width = `${(to - from) * this.scale - 2}px`;
    node.classList.toggle("narrow", (to - from) * this.scale < NARROW);
    node.style.setProperty("--strength", strengthOf(gesture).toFixed(3));
    const stroke = element("i", {});
    stroke.style.left = `${(gesture.middle + gesture.shift - from) * this.scale}px`;
    node.append(stroke);
    this.card.attach(node, () => gesture);
    node.addEventListener("click", () => this.chosen.gesture(gesture.id));
    return node;
  }

  cluster(cell, gestures) {
    const [first, last] = [spanOf(gestures[0])[0], spanOf(gestures.at(-1))[1]];
    const count = gestures.length === 1 ? "1 gesture" : `${gestures.length} gestures`;
    const node = element("button", { type: "button", class: "bar cluster", "data-family": gestures[0].family });
    node.setAttribute("aria-label", `${count} from ${clockText(Math.max(0, first))} to ${clockText(last)}: come closer`);
    node.append(element("b", {}, String(gestures.length)));
    node.style.left = `${(cell * CELL) + 1}px`;
    node.style.width = `${CELL - 4}px`;
    node.addEventListener("click", () => {
      this.zoom(SCALE / this.scale);
      this.player.seek(Math.max(0, first));
    });
    return node;
  }

  draw(from, to, time) {
    const pen = this.wave.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.wave.width, this.wave.height);
    pen.scale(devicePixelRatio, devicePixelRatio);
    const first = Math.floor((from * this.scale) / 3);
    for (let k = first; k * 3 < to * this.scale; k++) {
      const at = (k * 3) / this.scale; // bars stay on the sound, not on the screen
      if (at < 0 || at > this.player.duration) continue;
      const tall = Math.max(1, this.levels.between(at, at + 3 / this.scale) * WAVE.tall);
      pen.fillStyle = at <= time ? this.ink("--accent") : this.ink("--wave");
      pen.fillRect((at - from) * this.scale, WAVE.top + (WAVE.tall - tall) / 2, 1.8, tall);
    }
    if (this.scale < WORDS_FROM) this.drawMarks(pen, from, to);
  }

  // From far away: the prominence of words without the words.
  drawMarks(pen, from, to) {
    for (const word of this.wordsBetween(from, to)) {
      if (word.prominence === null) continue;
      const tall = markTall(word.prominence);
      pen.fillStyle = this.ink(word.family ? `--${word.family}` : "--wave");
      pen.fillRect((word.start - from) * this.scale, MARKS.bottom - tall, Math.max(1, (word.end - word.start) * this.scale - 1), tall);
    }
  }
}

function markTall(prominence) {
  return Math.round(Math.min(1, Math.max(0, prominence / MARKS.most)) * MARKS.tall) + 1;
}
