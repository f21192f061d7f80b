// The controls of one gesture of the plan: weight, shift, exemplar, parts, remove, restore.
import { exemplarText } from "./card.js";
import { PARTS } from "./plan.js";
import { clockText, element } from "./story.js";

const SHIFT_REACH_S = 1;

export class Editor {
  constructor(plan, gesture) {
    Object.assign(this, { plan, id: gesture.id });
    const about = `of ${gesture.word}`;
    this.node = element("div", { class: "editor", role: "group", "aria-label": `Edit ${gesture.word}` });
    this.weight = this.slider(`Weight ${about}`, { min: 0, max: 1, step: 0.05 }, (value) => plan.weigh(this.id, value, "weight"));
    this.shift = this.slider(`Shift ${about}, seconds`, { min: -SHIFT_REACH_S, max: SHIFT_REACH_S, step: 0.05 }, (value) => plan.shift(this.id, value, "shift"));
    this.note = element("p", { class: "note" });
    this.uses = this.exemplars(gesture);
    this.parts = PARTS.map((part) => this.part(part));
    this.remove = this.button("Remove", `Remove the gesture ${about}`, () => plan.remove(this.id));
    this.restore = this.button("Restore", `Restore the gesture ${about} as it was made`, () => plan.restore(this.id));
    const exemplars = element("fieldset", { "data-of": "use" }, element("legend", {}, "Exemplar"), ...this.uses.map((use) => use.label));
    const parts = element("fieldset", { "data-of": "parts" }, element("legend", {}, "Parts it brings"), ...this.parts.map((part) => part.label));
    if (!this.uses.length) exemplars.append(element("p", { class: "note" }, "The retriever's best, when it is made"));
    this.node.append(
      element("div", { class: "pull" }, "Weight", ...this.weight), element("div", { class: "pull" }, "Shift, s", ...this.shift), this.note, exemplars, parts,
      element("div", { class: "row" }, this.remove, this.restore),
    );
    this.update(gesture);
  }

  // A slider and a number that say the same; the slider ends where it ends, the number may go further.
  slider(label, range, put) {
    const pull = element("input", { type: "range", "aria-label": label, ...range });
    const number = element("input", { type: "number", "aria-label": `${label}, as a number`, step: range.step, ...(range.max === 1 && range.min === 0 ? range : {}) });
    for (const input of [pull, number]) {
      input.addEventListener("input", () => Number.isFinite(input.valueAsNumber) && put(input.valueAsNumber));
      input.addEventListener("change", () => {
        this.plan.settle();
        this.update(this.plan.find(this.id));
      });
    }
    return [pull, number];
  }

  button(text, label, act) {
    const button = element("button", { type: "button", "aria-label": label }, text);
    button.addEventListener("click", act);
    return button;
  }

  exemplars(gesture) {
    return gesture.choices.map((choice, use) => {
      const input = element("input", { type: "radio", name: `use of ${gesture.id}`, value: use });
      input.addEventListener("change", () => this.plan.choose(this.id, use));
      const from = `${choice.exemplar.clip} at ${clockText(Math.max(0, choice.exemplar.stroke))} · ${choice.score.toFixed(2)}`;
      return { input, label: element("label", {}, input, element("span", {}, exemplarText(choice), element("small", {}, from))) };
    });
  }

  part(part) {
    const input = element("input", { type: "checkbox", value: part });
    input.addEventListener("change", () => {
      if (!this.plan.bring(this.id, part, input.checked)) this.say("A gesture brings at least one part; weight 0 or Remove takes it away.");
      this.update(this.plan.find(this.id));
    });
    return { part, input, label: element("label", {}, input, part) };
  }

  say(text) {
    this.said = text;
  }

  update(gesture) {
    const values = [[this.weight, gesture.weight], [this.shift, gesture.shift]];
    for (const [[pull, number], value] of values) {
      pull.value = value;
      const typing = number === document.activeElement && (!Number.isFinite(number.valueAsNumber) || number.valueAsNumber === value);
      if (!typing) number.value = String(Number(value.toFixed(3)));
    }
    this.uses.forEach((use, k) => (use.input.checked = k === gesture.use));
    const brought = this.plan.partsOf(gesture);
    for (const { part, input } of this.parts) input.checked = brought.includes(part);
    const anew = gesture.slot && gesture.shift ? "The stroke is moved: the program looks for a slot anew." : "";
    this.note.textContent = this.said ?? anew;
    this.note.hidden = !this.note.textContent;
    this.said = null;
    for (const control of this.node.querySelectorAll("input")) control.disabled = gesture.removed;
    this.remove.disabled = gesture.removed;
    this.restore.hidden = gesture.added;
    this.restore.disabled = !this.plan.isEdited(gesture);
  }
}
