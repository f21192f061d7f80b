// The ghost: the exemplar that was retrieved, as it was recorded, over the body while its gesture lasts.
import { MeshStandardMaterial, Quaternion, Vector3 } from "three";
import { Body, Motion } from "./body.js";
import { unpackTrack } from "./data.js";
import { exemplarText } from "./card.js";
import { lastStarted } from "./story.js";

const OPACITY = 0.42;
const EASE_S = 0.15;

export async function unpackGhosts(ghosts) {
  if (!ghosts) return [];
  const [rotations, translation] = await Promise.all([unpackTrack(ghosts.tracks.rotations), unpackTrack(ghosts.tracks.translation)]);
  return ghosts.rows.map(([placement, fps, first, frames]) => ({ placement, motion: new Motion({ fps, frames }, rotations, translation, first) }));
}

// Which way the root faces around the vertical, and where it is.
function stand(motion, seconds, rest) {
  const [a, b, t] = motion.around(seconds);
  const turn = motion.rotation(0, a, new Quaternion()).slerp(motion.rotation(0, b, new Quaternion()), t);
  const ahead = new Vector3(0, 0, 1).applyQuaternion(turn);
  const place = motion.place(a, new Vector3()).lerp(motion.place(b, new Vector3()), t).add(rest);
  return { yaw: Math.atan2(ahead.x, ahead.z), place };
}

export class Ghosts {
  // `ghosts`: from unpackGhosts; `body`: the body that they are laid over.
  constructor(ghosts, data, surface, body) {
    const placements = data.trace?.placements ?? [];
    const hits = new Map((data.trace?.hits ?? []).map((hit) => [hit.query, hit]));
    this.body = body;
    this.on = false;
    this.now = null;
    this.all = ghosts.map(({ placement, motion }) => ({ placement, motion, place: placements[placement], hit: hits.get(placements[placement].query) }));
    this.all.sort((a, b) => a.place.start_s - b.place.start_s);
    this.note = document.getElementById("haunting");
    this.material = new MeshStandardMaterial({ color: 0x6f8fd8, emissive: 0x24356b, roughness: 0.8, transparent: true, opacity: OPACITY });
    this.drawn = new Body(data.skeleton, surface, this.material, null);
    this.drawn.object.visible = false;
    this.drawn.object.renderOrder = 1;
  }

  get some() {
    return this.all.length > 0;
  }

  toggle() {
    this.on = this.some && !this.on;
    document.getElementById("ghost").setAttribute("aria-pressed", String(this.on));
  }

  update(time) {
    const last = this.all[lastStarted(this.all, time, (ghost) => ghost.place.start_s)];
    const ghost = this.on && last && time < last.place.end_s ? last : null;
    this.drawn.object.visible = ghost !== null;
    if (ghost) this.pose(ghost, time);
    if (ghost === this.now) return;
    this.now = ghost;
    this.note.hidden = !ghost;
    this.note.textContent = ghost ? `Ghost: ${ghost.hit ? `${exemplarText(ghost.hit)} · ` : ""}${ghost.place.clip}` : "";
  }

  // In the middle of the slot the ghost stands where the body stands and faces where it faces; before and after, it moves as it was recorded.
  pose(ghost, time) {
    const { place, motion } = ghost;
    ghost.laid ??= this.lay(place, motion);
    this.drawn.motion = motion;
    this.drawn.object.rotation.y = ghost.laid.turn;
    this.drawn.object.position.copy(ghost.laid.place).add(this.body.object.position);
    this.material.opacity = OPACITY * Math.max(0.2, Math.min(1, (time - place.start_s) / EASE_S, (place.end_s - time) / EASE_S));
    this.drawn.pose(time - place.start_s);
  }

  lay(place, motion) {
    const middle = (place.end_s - place.start_s) / 2;
    const there = stand(this.body.motion, place.start_s + middle, this.body.rest);
    const here = stand(motion, middle, this.body.rest);
    const turn = there.yaw - here.yaw;
    return { turn, place: there.place.sub(here.place.applyAxisAngle(new Vector3(0, 1, 0), turn)) };
  }
}
