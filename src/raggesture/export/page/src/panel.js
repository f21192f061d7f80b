// The list of injected gestures, the card with a gesture's details, the caption and how the motion was made.
import { clockText, element, lastStarted } from "./story.js";

function number(value, digits = 2) {
  return typeof value === "number" ? value.toFixed(digits) : "-";
}

function factsOf(gesture) {
  const exemplar = gesture.hit?.exemplar;
  const facts = [
    ["asked", `${gesture.kind}${gesture.asked.gesture ? ` (${gesture.asked.gesture})` : ""}`],
    ["source", gesture.clip],
    ["there", `${clockText(Math.max(0, gesture.source_start_s))} to ${clockText(Math.max(0, gesture.source_end_s))}`],
  ];
  if (exemplar) facts.push(["its word", `${exemplar.word}${exemplar.gesture ? ` (${exemplar.gesture})` : ""}, ${exemplar.speaker}`]);
  facts.push(["weight", number(gesture.weight)], ["strength", number(gesture.strength)], ["stroke off by", `${gesture.shift_frames} frames`]);
  if (gesture.hit) facts.push(["score", number(gesture.hit.score, 3)]);
  return facts;
}

export class Card {
  constructor() {
    this.node = document.getElementById("card");
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.hide());
  }

  attach(target, gesture) {
    target.addEventListener("pointerenter", () => this.show(target, gesture));
    target.addEventListener("pointerleave", () => target !== document.activeElement && this.hide());
    target.addEventListener("focus", () => target.matches(":focus-visible") && this.show(target, gesture));
    target.addEventListener("blur", () => this.hide());
    target.setAttribute("aria-describedby", "card");
  }

  show(target, gesture) {
    const list = element("dl");
    for (const [name, value] of factsOf(gesture)) list.append(element("dt", {}, name), element("dd", {}, value));
    this.node.replaceChildren(element("h3", { "data-family": gesture.family }, gesture.word), list, this.terms(gesture));
    this.node.hidden = false;
    this.place(target.getBoundingClientRect());
  }

  // Beside the body where there is room, else above or below what is pointed at.
  place(box) {
    const stage = document.getElementById("stage").getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.node;
    const roomy = stage.width > 2.6 * width && stage.height > height + 24;
    const left = roomy ? stage.right - width - 12 : Math.min(Math.max(8, box.left + box.width / 2 - width / 2), innerWidth - width - 8);
    const above = box.top - height - 8;
    const top = roomy ? stage.top + 12 : above > 8 ? above : Math.min(box.bottom + 8, innerHeight - height - 8);
    this.node.style.left = `${left}px`;
    this.node.style.top = `${top}px`;
  }

  // The parts of the score as bars, to the right of the middle where they speak for the exemplar, else to the left.
  terms(gesture) {
    const terms = Object.entries(gesture.hit?.terms ?? {});
    const most = Math.max(1e-9, ...terms.map(([, value]) => Math.abs(value)));
    const list = element("ul", { class: "terms" });
    for (const [name, value] of terms) {
      const bar = element("i", { class: value < 0 ? "less" : "more" });
      bar.style.width = `${(Math.abs(value) / most) * 50}%`;
      list.append(element("li", {}, element("span", {}, name), element("span", { class: "track" }, bar), element("span", {}, number(value, 3))));
    }
    return list;
  }

  hide() {
    this.node.hidden = true;
  }
}

export class Panel {
  constructor(story, player, card) {
    Object.assign(this, { story, player });
    this.caption = document.getElementById("caption");
    this.line = null;
    this.items = story.gestures.map((gesture) => this.item(gesture, card));
    document.getElementById("gestures").append(...this.items.map((item) => item.row));
    document.getElementById("count").textContent = String(story.gestures.length);
    this.tell();
  }

  item(gesture, card) {
    const meter = element("meter", { min: 0, max: 1, value: gesture.strength, "aria-label": "strength" });
    const about = element("span", { class: "about" }, `${gesture.kind} · ${gesture.clip}`);
    const button = element("button", { type: "button", "data-family": gesture.family });
    button.append(element("span", { class: "at" }, clockText(gesture.asked.start)), element("b", {}, gesture.word), meter, about);
    button.addEventListener("click", () => this.player.seek(gesture.start_s));
    card.attach(button, gesture);
    return { gesture, button, row: element("li", {}, button) };
  }

  tell() {
    const { dropped, made, gestures } = this.story;
    if (!gestures.length) document.getElementById("gestures").append(element("li", { class: "none" }, "none"));
    const drops = document.getElementById("dropped");
    drops.hidden = !dropped.length;
    drops.querySelector("ul").append(...dropped.map((drop) => element("li", {}, element("b", {}, drop.word), ` (${drop.kind}): ${drop.reason}`)));
    const how = document.getElementById("made");
    how.hidden = !made.length;
    for (const [name, value] of made) how.querySelector("dl").append(element("dt", {}, name), element("dd", {}, value));
  }

  update(time) {
    for (const { gesture, button } of this.items) {
      const now = gesture.start_s <= time && time < gesture.end_s;
      if (now !== button.classList.contains("now")) {
        button.classList.toggle("now", now);
        if (now && this.player.playing) button.parentElement.parentElement.scrollTo({ top: button.parentElement.offsetTop - 60, behavior: "smooth" });
      }
    }
    const { lines } = this.story;
    const line = lines[Math.max(0, lastStarted(lines, time + 0.05, (words) => words[0].start))] ?? null;
    if (line !== this.line) {
      this.line = line;
      this.caption.replaceChildren(...(line ?? []).flatMap((word) => {
        const node = element("span", {}, word.text);
        if (word.family) node.dataset.family = word.family;
        return [node, " "];
      }));
    }
    (line ?? []).forEach((word, k) => {
      const node = this.caption.children[k];
      node.classList.toggle("now", word.start <= time && time < word.end);
      node.classList.toggle("said", word.end <= time);
    });
  }
}
