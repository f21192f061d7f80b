// The card with a gesture's details, beside what is pointed at or focused.
import { strengthOf } from "./plan.js";
import { clockText, element } from "./story.js";

function number(value, digits = 2) {
  return typeof value === "number" ? value.toFixed(digits) : "-";
}

export function exemplarText({ exemplar }) {
  return `${exemplar.word}${exemplar.gesture ? ` (${exemplar.gesture})` : ""}, ${exemplar.speaker}`;
}

function factsOf(gesture, plan) {
  const chosen = gesture.choices[gesture.use];
  const { place } = gesture;
  const asMade = place && gesture.use === 0 && gesture.shift === 0;
  const facts = [["asked", `${gesture.kind}${gesture.gesture ? ` (${gesture.gesture})` : ""}`]];
  if (asMade) facts.push(["source", place.clip], ["there", `${clockText(Math.max(0, place.source_start_s))} to ${clockText(Math.max(0, place.source_end_s))}`]);
  else if (chosen) facts.push(["source", chosen.exemplar.clip], ["stroke there", clockText(chosen.exemplar.stroke)]);
  else facts.push(["source", "the retriever's best, when it is made"]);
  if (chosen) facts.push(["its word", exemplarText(chosen)]);
  facts.push(["weight", number(gesture.weight)], ["parts", plan.partsOf(gesture).join(", ")]);
  if (gesture.shift) facts.push(["shift", `${number(gesture.shift)} s`]);
  if (place && !plan.isEdited(gesture)) facts.push(["strength", number(strengthOf(gesture))], ["stroke off by", `${place.shift_frames} frames`]);
  if (gesture.prominence !== null) facts.push(["prominence", number(gesture.prominence)]);
  if (chosen) facts.push(["score", number(chosen.score, 3)]);
  return facts;
}

export class Card {
  constructor(plan) {
    this.plan = plan;
    this.node = document.getElementById("card");
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.hide());
  }

  // `gestureOf` gives the gesture as it is when it is pointed at.
  attach(target, gestureOf) {
    target.addEventListener("pointerenter", () => this.show(target, gestureOf()));
    target.addEventListener("pointerleave", () => target !== document.activeElement && this.hide());
    target.addEventListener("focus", () => target.matches(":focus-visible") && this.show(target, gestureOf()));
    target.addEventListener("blur", () => this.hide());
    target.setAttribute("aria-describedby", "card");
  }

  show(target, gesture) {
    const list = element("dl");
    for (const [name, value] of factsOf(gesture, this.plan)) list.append(element("dt", {}, name), element("dd", {}, value));
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
    const terms = Object.entries(gesture.choices[gesture.use]?.terms ?? {});
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
