// A list of which only the rows in sight are in the document: an hour has hundreds of gestures.
import { element } from "./story.js";

const SPARE = 6;
const GAP = 5;
const FAR = 800; // pixels from which on the list jumps

export class LongList {
  // `list`: an <ol> or <ul> inside `scroller`; rows are `tall` pixels high, the opened one as high as it is.
  // `render(item)` gives the content of the row of an item (a string).
  constructor(list, scroller, tall, render) {
    Object.assign(this, { list, scroller, tall, render });
    this.rows = new Map();
    this.places = new Map();
    this.items = [];
    this.opened = null;
    this.more = 0;
    list.classList.add("long");
    scroller.addEventListener("scroll", () => this.fill(), { passive: true });
    this.watch = new ResizeObserver(() => this.measure());
    this.show([], null);
  }

  show(items, opened) {
    this.items = items;
    this.places = new Map(items.map((item, k) => [item, k]));
    this.opened = this.places.has(opened) ? opened : null;
    this.fill();
    this.watch.disconnect();
    this.watch.observe(this.scroller);
    if (this.opened !== null) this.watch.observe(this.rows.get(this.opened).firstElementChild);
    this.measure();
  }

  measure() {
    const node = this.opened === null ? null : this.rows.get(this.opened).firstElementChild;
    this.more = node ? Math.max(0, node.offsetHeight + GAP - this.tall) : 0;
    this.fill();
  }

  top(place) {
    return place * this.tall + (this.opened !== null && place > this.places.get(this.opened) ? this.more : 0);
  }

  // How far the list's top lies below the top of what is in sight.
  below() {
    return this.list.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top;
  }

  fill() {
    const { items, scroller, list } = this;
    list.style.height = `${items.length * this.tall + this.more}px`;
    const seen = -this.below();
    const first = Math.max(0, Math.floor((seen - this.more) / this.tall) - SPARE);
    const last = Math.max(first, Math.ceil((seen + scroller.clientHeight) / this.tall) + SPARE);
    const wanted = new Set(items.slice(first, last));
    if (this.opened !== null) wanted.add(this.opened);
    for (const [item, row] of this.rows) {
      if (wanted.has(item) || (this.places.has(item) && row.contains(document.activeElement))) continue;
      row.remove();
      this.rows.delete(item);
    }
    for (const item of wanted) if (!this.rows.has(item)) this.put(item);
    for (const [item, row] of this.rows) {
      const place = this.places.get(item);
      row.style.transform = `translateY(${this.top(place)}px)`;
      row.setAttribute("aria-posinset", place + 1);
      row.setAttribute("aria-setsize", items.length);
    }
  }

  // Rows stand in the document in the list's order, so that Tab goes down the list.
  put(item) {
    const row = element("li", {}, this.render(item));
    const place = this.places.get(item);
    let next = null;
    for (const [other, node] of this.rows) {
      const there = this.places.get(other);
      if (there > place && (!next || there < this.places.get(next[0]))) next = [other, node];
    }
    this.list.insertBefore(row, next ? next[1] : null);
    this.rows.set(item, row);
  }

  reveal(item) {
    if (!this.places.has(item)) return;
    const { scrollTop, clientHeight } = this.scroller;
    const top = this.below() + scrollTop + this.top(this.places.get(item));
    if (top >= scrollTop + 40 && top + this.tall <= scrollTop + clientHeight) return;
    const to = Math.max(0, top - 60);
    this.scroller.scrollTo({ top: to, behavior: Math.abs(to - scrollTop) < FAR ? "smooth" : "instant" });
  }
}
