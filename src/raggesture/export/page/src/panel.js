// The side of the page: the plan with its list of gestures, what was not served, and how the motion was made.
import { Adding } from "./adding.js";
import { Editor } from "./editor.js";
import { LongList } from "./list.js";
import { spanOf, strengthOf } from "./plan.js";
import { clockText, element, lastStarted } from "./story.js";
import { planCommand, planFile, planText } from "./toml.js";

const ROW_TALL = 54;
const DROP_TALL = 64;

const byId = (id) => document.getElementById(id);

export class Panel {
  constructor(name, story, plan, player, card) {
    Object.assign(this, { name, story, plan, player, card });
    this.rows = new Map();
    this.editor = null;
    this.scroller = byId("panel");
    this.list = new LongList(byId("gestures"), this.scroller, ROW_TALL, (id) => this.row(id));
    this.adding = new Adding(plan, player, { added: (id) => this.open(id, true), taken: (id) => this.open(id, true) });
    this.tools();
    this.tell();
    plan.onchange(() => this.refresh());
    this.refresh();
  }

  tools() {
    byId("plan").hidden = !this.plan.possible;
    byId("undo").addEventListener("click", () => this.plan.undo());
    byId("redo").addEventListener("click", () => this.plan.redo());
    byId("add").addEventListener("click", () => this.add());
    byId("add").disabled = !this.adding.possible;
    byId("save").addEventListener("click", () => this.save());
    addEventListener("beforeunload", (event) => {
      if (!this.plan.edited || this.saved === this.plan.gestures) return;
      event.preventDefault(); // asks whether edits that were not saved may be lost
      event.returnValue = true; // the same, in older browsers
    });
  }

  add() {
    if (!this.adding.possible) return;
    this.adding.open();
    byId("adding-find").focus();
  }

  // A gesture was pointed at: go there and show its controls.
  choose(id) {
    this.player.seek(Math.max(0, spanOf(this.plan.find(id))[0]));
    if (this.editor?.id !== id) this.open(id);
    this.list.reveal(id);
  }

  save() {
    const link = element("a", { download: planFile(this.name), href: URL.createObjectURL(new Blob([planText(this.plan)], { type: "application/toml" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.saved = this.plan.gestures;
    this.refresh();
  }

  row(id) {
    const gesture = this.plan.find(id);
    const meter = element("meter", { min: 0, max: 1 });
    const about = element("span", { class: "about" });
    const mark = element("span", { class: "mark" });
    const button = element("button", { type: "button", class: "head", "data-family": gesture.family, "aria-expanded": "false" });
    button.append(element("span", { class: "at" }, clockText(gesture.start)), element("b", {}, gesture.word), meter, about, mark);
    button.addEventListener("click", () => {
      this.player.seek(Math.max(0, spanOf(this.plan.find(id))[0]));
      this.open(this.editor?.id === id ? null : id);
    });
    this.card.attach(button, () => this.plan.find(id));
    const node = element("div", { class: "item" }, button);
    if (this.editor?.id === id) node.append(this.editor.node);
    this.rows.set(id, { node, button, meter, about, mark });
    this.paint(id);
    return node;
  }

  paint(id) {
    const gesture = this.plan.find(id);
    const { button, meter, about, mark } = this.rows.get(id);
    meter.value = strengthOf(gesture);
    meter.setAttribute("aria-label", gesture.place ? "strength" : "weight");
    about.textContent = `${gesture.kind} · ${gesture.choices[gesture.use]?.exemplar.clip ?? gesture.place?.clip ?? "best match"}`;
    mark.textContent = gesture.removed ? "removed" : gesture.added ? "added" : this.plan.isEdited(gesture) ? "edited" : "";
    button.parentElement?.classList.toggle("removed", gesture.removed);
    button.setAttribute("aria-expanded", String(this.editor?.id === id));
  }

  // Opens the controls of a gesture (null: closes them); `show` brings it into sight and gives it the focus.
  open(id, show = false) {
    const gesture = id === null || !this.plan.possible ? null : this.plan.find(id);
    this.editor?.node.remove();
    this.editor = gesture ? new Editor(this.plan, gesture) : null;
    if (this.editor && this.list.rows.has(id)) this.rows.get(id).node.append(this.editor.node);
    this.card.hide();
    this.refresh();
    if (!show || !gesture) return;
    this.list.reveal(id);
    this.rows.get(id).button.focus({ preventScroll: true });
  }

  refresh() {
    const { plan } = this;
    const opened = this.editor ? plan.find(this.editor.id) : null;
    if (this.editor && !opened) {
      this.editor.node.remove();
      this.editor = null;
    }
    this.list.show(plan.gestures.map((gesture) => gesture.id), this.editor?.id ?? null);
    for (const id of this.list.rows.keys()) this.paint(id);
    if (opened) this.editor.update(opened);
    if (!this.adding.node.hidden) this.adding.pick(this.adding.word);
    byId("none").hidden = plan.gestures.length > 0;
    byId("count").textContent = String(plan.kept.length);
    byId("undo").disabled = !plan.past.length;
    byId("redo").disabled = !plan.future.length;
    this.status();
  }

  status() {
    const { edited } = this.plan;
    const saved = this.saved === this.plan.gestures;
    const edits = edited ? `${edited} ${edited === 1 ? "gesture" : "gestures"} edited; the body shows the motion as it was made. ` : "As it was made. ";
    const text = `${edits}${saved ? "Saved." : ""}`.trim();
    if (byId("edits").textContent !== text) byId("edits").textContent = text;
    byId("edits").classList.toggle("edited", edited > 0);
    byId("follow").hidden = !(edited || saved);
    if (this.plan.possible) byId("command").textContent = planCommand(this.plan, this.name);
  }

  tell() {
    const { dropped, made } = this.story;
    byId("dropped").hidden = !dropped.length;
    const drops = new LongList(byId("drops"), this.scroller, DROP_TALL, (k) => this.drop(dropped[k]));
    drops.show(dropped.map((_, k) => k), null);
    byId("made").hidden = !made.length;
    for (const [name, value] of made) byId("made").querySelector("dl").append(element("dt", {}, name), element("dd", {}, value));
  }

  drop({ word, kind, reason }) {
    return element("div", { class: "drop", title: reason }, element("b", {}, word), ` (${kind}): ${reason}`);
  }

  update(time) {
    for (const [id] of this.list.rows) {
      const [from, to] = spanOf(this.plan.find(id));
      this.rows.get(id).button.classList.toggle("now", from <= time && time < to);
    }
    const { drawn } = this.plan;
    const at = drawn[lastStarted(drawn, time, (gesture) => spanOf(gesture)[0])];
    const now = at && time < spanOf(at)[1] ? at.id : null;
    if (now !== null && now !== this.now && !this.editor && !this.scroller.contains(document.activeElement)) this.list.reveal(now);
    this.now = now;
  }
}
