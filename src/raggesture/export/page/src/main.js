// Puts the page together. `window.raggesture` is a small interface for tests and for the curious.
import { Body, Motion, surfaceOf, wood } from "./body.js";
import { readData, unpackMannequin, unpackTrack, unpackVoice } from "./data.js";
import { Caption } from "./caption.js";
import { Card } from "./card.js";
import { Ghosts, unpackGhosts } from "./ghost.js";
import { Levels } from "./levels.js";
import { Overview } from "./overview.js";
import { Pair, unpackSecond } from "./pair.js";
import { Panel } from "./panel.js";
import { Plan, spanOf } from "./plan.js";
import { Player } from "./player.js";
import { Stage } from "./stage.js";
import { clockText, storyOf } from "./story.js";
import { Timeline } from "./timeline.js";
import { Vector3 } from "three";

const byId = (id) => document.getElementById(id);

function say(message) {
  byId("message").textContent = message;
  byId("message").hidden = !message;
}

class Page {
  async start() {
    const data = readData();
    const duration = Math.max(data.frames / data.fps, data.second ? data.second.frames / data.second.fps : 0);
    const [rotations, translation, mannequin, ghosts, second, voice] = await Promise.all([
      unpackTrack(data.tracks.rotations), unpackTrack(data.tracks.translation), unpackMannequin(data.mannequin), unpackGhosts(data.ghosts),
      unpackSecond(data.second), data.audio ? unpackVoice(data.audio, duration) : null,
    ]);
    this.motion = new Motion(data, rotations, translation);
    this.player = new Player(voice, duration);
    this.story = storyOf(data);
    byId("facts").textContent = `${clockText(duration)} · ${data.frames} frames at ${data.fps} fps · ${this.story.words.length} words`;
    byId("volume-label").hidden = !data.audio;
    this.plan = new Plan(data, this.story.words);
    this.furnish(data);
    this.people(data, surfaceOf(mannequin), ghosts, second);
    say("");
    this.openStage(data.floor);
    await this.player.loaded().catch((fault) => {
      this.player.withoutVoice();
      say(`${fault.message}; the body plays without it`);
    });
    this.wire();
    this.dress();
    this.resize();
    this.show(true);
    const loop = () => {
      this.player.tick();
      this.show(false);
      requestAnimationFrame(loop);
    };
    requestAnimationFrame(loop);
  }

  furnish(data) {
    const { story, plan, player } = this;
    const card = new Card(plan);
    const levels = new Levels(data.peaks);
    const word = (chosen) => plan.possible && this.panel.adding.open(chosen);
    this.panel = new Panel(data.name, story, plan, player, card);
    this.caption = new Caption(story, plan, word);
    this.timeline = new Timeline(levels, story, plan, player, card, {
      word,
      gesture: (id) => this.panel.choose(id),
      scale: () => this.overview.update(player.time, ...this.timeline.sight(player.time)),
    });
    this.overview = new Overview(levels, plan, player);
  }

  people(data, surface, ghosts, second) {
    this.body = new Body(data.skeleton, surface, wood(), this.motion).withFace(surface);
    this.pair = second ? new Pair(data, this.body, second, surface) : null;
    this.ghosts = new Ghosts(ghosts, data, surface, this.body);
    byId("ghost").hidden = !this.ghosts.some;
  }

  openStage(floor) {
    this.place = new Vector3();
    this.hands = new Vector3();
    this.aside = new Vector3(1, 0, 0);
    try {
      this.stage = new Stage(byId("view"), floor);
      this.stage.scene.add(this.body.object, this.ghosts.drawn.object);
      if (this.pair) this.stage.scene.add(this.pair.second.object);
      this.stage.pair = this.pair;
      this.aside = this.stage.aside;
    } catch (fault) {
      this.stage = null;
      say(`This browser draws no WebGL (${fault.message}); voice, words and timeline work.`);
    }
  }

  // Draws the moment the clock says.
  show(anyway) {
    const time = this.player.time;
    if (anyway || time !== this.shown) {
      this.shown = time;
      this.pose(time);
      this.panel.update(time);
      this.caption.update(time);
      this.timeline.update(time);
      this.overview.update(time, ...this.timeline.sight(time));
      byId("clock").textContent = `${clockText(time)} / ${clockText(this.player.duration)}`;
    }
    this.stage?.draw(performance.now());
  }

  pose(time) {
    this.pair?.place(time, this.aside);
    this.body.pose(time);
    this.pair?.second.pose(time);
    this.ghosts.update(time);
    if (!this.stage) return;
    const place = this.pair ? this.place.set(0, 0, 0) : this.motion.followed(time, this.place);
    this.body.between(this.hands);
    if (this.pair) this.hands.add(this.pair.second.between(new Vector3())).multiplyScalar(0.5);
    this.stage.follow(place, this.hands, this.player.playing);
  }

  dress() {
    const style = getComputedStyle(document.documentElement);
    this.stage?.colours(style);
    const ink = (name) => style.getPropertyValue(name).trim();
    this.timeline.colours(ink);
    this.overview.colours(ink);
  }

  resize() {
    this.stage?.resize();
    this.timeline.resize();
    this.overview.resize();
    this.show(true);
  }

  view(name) {
    this.stage?.view(name);
    this.show(true);
    for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === name));
  }

  ghost() {
    this.ghosts.toggle();
    this.show(true);
  }

  loop() {
    this.player.loop = !this.player.loop;
    byId("loop").setAttribute("aria-pressed", String(this.player.loop));
  }

  wire() {
    const { player } = this;
    byId("play").addEventListener("click", () => player.toggle());
    byId("ghost").addEventListener("click", () => this.ghost());
    byId("loop").addEventListener("click", () => this.loop());
    byId("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
    byId("volume").addEventListener("input", (event) => player.audio && (player.audio.volume = Number(event.target.value)));
    for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => this.view(button.dataset.view));
    player.onchange(() => {
      byId("play").textContent = player.playing ? "\u275a\u275a" : "\u25b6";
      byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
      this.show(true);
    });
    document.addEventListener("keydown", (event) => this.key(event));
    const sizes = new ResizeObserver(() => this.resize());
    for (const node of [document.body, byId("stage")]) sizes.observe(node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.dress();
      this.show(true);
    });
  }

  key(event) {
    const typed = event.target.closest("input:not([type=range], [type=radio], [type=checkbox])");
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !typed) return this.withControl(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select")) return;
    const onView = event.target === byId("view") ? this.viewActions()[event.key] : undefined;
    const action = onView ?? this.actions(event.shiftKey ? 5 : 1)[event.key];
    if (!action || (event.key === " " && event.target.closest("button, summary"))) return;
    event.preventDefault();
    action();
  }

  withControl(event) {
    const again = event.key === "y" || (event.key.toLowerCase() === "z" && event.shiftKey);
    if (!again && event.key !== "z") return;
    event.preventDefault();
    if (again) this.plan.redo();
    else this.plan.undo();
  }

  // What keys do while the view has the focus.
  viewActions() {
    const { stage } = this;
    if (!stage) return {};
    return {
      ArrowLeft: () => stage.turn(-1, 0),
      ArrowRight: () => stage.turn(1, 0),
      ArrowUp: () => stage.turn(0, 1),
      ArrowDown: () => stage.turn(0, -1),
      "+": () => stage.closer(1.15),
      "-": () => stage.closer(1 / 1.15),
    };
  }

  actions(step) {
    const { player, plan } = this;
    const starts = plan.drawn.map((gesture) => Math.max(0, spanOf(gesture)[0]));
    return {
      " ": () => player.toggle(),
      k: () => player.toggle(),
      ArrowLeft: () => player.seek(player.time - step),
      ArrowRight: () => player.seek(player.time + step),
      PageUp: () => player.seek(player.time - 30),
      PageDown: () => player.seek(player.time + 30),
      ",": () => player.seek(player.time - 1 / this.motion.fps),
      ".": () => player.seek(player.time + 1 / this.motion.fps),
      Home: () => player.seek(0),
      End: () => player.seek(player.duration),
      "[": () => player.seek(starts.findLast((start) => start < player.time - 0.3) ?? 0),
      "]": () => player.seek(starts.find((start) => start > player.time + 0.05) ?? player.time),
      "+": () => this.timeline.zoom(1.6),
      "-": () => this.timeline.zoom(1 / 1.6),
      1: () => this.view("front"),
      2: () => this.view("upper"),
      3: () => this.view("side"),
      4: () => this.view("hands"),
      g: () => this.ghost(),
      a: () => this.panel.add(),
      Escape: () => (byId("keys").open = false),
      l: () => this.loop(),
    };
  }
}

const page = new Page();
const ready = page.start().catch((fault) => {
  say(`The page cannot be shown: ${fault.message}`);
  throw fault;
});

window.raggesture = Object.freeze({
  ready,
  get time() {
    return page.player.time;
  },
  get shown() {
    return page.shown;
  },
  get duration() {
    return page.player.duration;
  },
  get playing() {
    return page.player.playing;
  },
  // Positions (55 x 3, metres) of the drawn joints, as they are on the screen now.
  joints: () => page.body.joints(),
  // The same of the second body, and of the ghost with the row of its placement; null where none is shown.
  secondJoints: () => page.pair?.second.joints() ?? null,
  ghost: () => page.ghosts.now && { placement: page.ghosts.now.placement, joints: page.ghosts.drawn.joints() },
  // Where a joint of the body is drawn, in pixels of the window.
  onScreen: (joint) => page.stage?.onScreen(page.body.bones[joint]) ?? null,
  seek: (seconds) => page.player.seek(seconds),
});
