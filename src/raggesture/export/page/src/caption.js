// The words being said, running along under the body.
import { element, lastStarted } from "./story.js";

export class Caption {
  // `chosen(word)` hears which word was pointed at.
  constructor(story, plan, chosen) {
    Object.assign(this, { story, plan, chosen });
    this.node = document.getElementById("caption");
    this.line = null;
    plan.onchange(() => (this.line = null));
  }

  update(time) {
    const { lines } = this.story;
    const line = lines[Math.max(0, lastStarted(lines, time + 0.05, (words) => words[0].start))] ?? null;
    if (line !== this.line) this.write(line);
    (line ?? []).forEach((word, k) => {
      const node = this.node.children[k];
      node.classList.toggle("now", word.start <= time && time < word.end);
      node.classList.toggle("said", word.end <= time);
    });
  }

  write(line) {
    this.line = line;
    this.node.replaceChildren(...(line ?? []).flatMap((word) => {
      const node = element("span", {}, word.text);
      if (word.family) node.dataset.family = word.family;
      if (this.plan.possible) node.addEventListener("click", () => this.chosen(word));
      return [node, " "];
    }));
  }
}
