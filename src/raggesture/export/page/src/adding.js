// "Add a gesture": a word, chosen by pointing, by going from word to word or by looking for it, and a kind.
import { clockText, element, lastStarted } from "./story.js";

export class Adding {
  // `added(id)` hears of a gesture that was put into the plan, `taken(id)` of a word that has one already.
  constructor(plan, player, { added, taken }) {
    Object.assign(this, { plan, player, added, taken });
    this.node = document.getElementById("adding");
    this.about = document.getElementById("adding-word");
    this.sought = document.getElementById("adding-find");
    this.kind = document.getElementById("adding-kind");
    this.kind.append(...plan.kinds.map((kind) => element("option", { value: kind }, kind)));
    this.words = plan.words.filter((word) => word.text.trim());
    const on = (id, act) => document.getElementById(id).addEventListener("click", act);
    on("adding-before", () => this.step(-1));
    on("adding-next", () => this.step(1));
    on("adding-done", () => this.finish());
    on("adding-close", () => this.close());
    this.sought.addEventListener("keydown", (event) => event.key === "Enter" && this.seek());
    this.node.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  get possible() {
    return this.plan.possible && this.words.length > 0;
  }

  // Opens on `word`, or on the one that is being said.
  open(word = null) {
    const at = lastStarted(this.words, this.player.time);
    this.node.hidden = false;
    this.pick(word ?? this.words[Math.max(0, at)]);
  }

  close() {
    const inside = this.node.contains(document.activeElement);
    this.node.hidden = true;
    if (inside) document.getElementById("add").focus();
  }

  pick(word) {
    this.word = word;
    const has = this.plan.gestureOn(word);
    this.about.replaceChildren(element("b", {}, word.text), ` at ${clockText(word.start)}${has ? " has a gesture already" : ""}`);
    document.getElementById("adding-done").textContent = has ? "Edit it" : "Add";
  }

  step(by) {
    const at = Math.min(this.words.length - 1, Math.max(0, this.words.indexOf(this.word) + by));
    this.go(this.words[at]);
  }

  go(word) {
    this.player.seek(word.start);
    this.pick(word);
  }

  // The next word that begins with what was typed, from the one that is chosen on and around the end.
  seek() {
    const text = this.sought.value.trim().toLowerCase();
    if (!text) return;
    const from = this.words.indexOf(this.word) + 1;
    const found = [...this.words.slice(from), ...this.words.slice(0, from)].find((word) => word.text.toLowerCase().startsWith(text));
    if (found) this.go(found);
    else this.about.textContent = `nobody says "${this.sought.value.trim()}"`;
  }

  finish() {
    const has = this.plan.gestureOn(this.word);
    this.close();
    if (has) this.taken(has.id);
    else this.added(this.plan.add(this.word, this.kind.value));
  }
}
