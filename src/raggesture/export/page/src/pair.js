// Two results side by side: each is held in its place while it wanders, and has its name over its head.
import { Vector3 } from "three";
import { Body, Motion, wood } from "./body.js";
import { unpackTrack } from "./data.js";

const APART_M = 0.72;
const OVER_HEAD_M = 0.3;
const HEAD = 15;
const BELOW_BUTTONS = 76; // pixels

export async function unpackSecond(second) {
  if (!second) return null;
  const [rotations, translation] = await Promise.all([unpackTrack(second.tracks.rotations), unpackTrack(second.tracks.translation)]);
  return new Motion(second, rotations, translation);
}

export class Pair {
  constructor(data, first, motion, surface) {
    this.bodies = [first, new Body(data.skeleton, surface, wood(), motion).withFace(surface)];
    this.drop = data.floor - data.second.floor;
    this.scratch = new Vector3();
    const labels = document.getElementById("labels");
    labels.hidden = false;
    this.labels = [...labels.children];
    this.labels.forEach((label, k) => (label.textContent = data.second.labels[k]));
  }

  get second() {
    return this.bodies[1];
  }

  // `aside`: the direction in which they stand apart.
  place(time, aside) {
    this.bodies.forEach((body, k) => {
      body.motion.followed(time, this.scratch);
      body.object.position.set(-this.scratch.x, k ? this.drop : 0, -this.scratch.z).addScaledVector(aside, k ? APART_M : -APART_M);
    });
  }

  // Puts the names over the heads, as `camera` sees them.
  name(camera, width, height) {
    this.bodies.forEach((body, k) => {
      this.scratch.setFromMatrixPosition(body.bones[HEAD].matrixWorld).y += OVER_HEAD_M;
      this.scratch.project(camera);
      const x = Math.min(0.95, Math.max(0.05, (this.scratch.x + 1) / 2)) * width;
      const y = Math.max(BELOW_BUTTONS, Math.min(0.9, (1 - this.scratch.y) / 2) * height);
      this.labels[k].style.transform = `translate(${x}px, ${y}px) translate(-50%, -100%)`;
    });
  }
}
