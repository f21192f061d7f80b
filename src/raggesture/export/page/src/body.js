// The mannequin: a skinned mesh on the 55 joints of SMPL-X, and the motion that moves it.
import {
  BoxGeometry, BufferAttribute, BufferGeometry, Bone, Color, Group, Mesh, MeshStandardMaterial, Quaternion, Skeleton, SkinnedMesh, SphereGeometry, Vector3,
} from "three";

const HEAD = 15;
const JAW = 22;
const WRISTS = [20, 21];
const WOOD = new Color(0xd9a066);
const BALL = new Color(0x8a5a34);
const FOLLOW_S = 3;

export class Motion {
  // `first`: the column of the tracks where the motion begins.
  constructor({ fps, frames }, rotations, translation, first = 0) {
    Object.assign(this, { fps, frames, rotations, translation, first });
    this.path = this.smoothedPath();
  }

  get duration() {
    return this.frames / this.fps;
  }

  // The two frames around `seconds` and how far between them.
  around(seconds) {
    const at = Math.min(Math.max(seconds * this.fps, 0), this.frames - 1);
    const first = Math.floor(at);
    return [first, Math.min(first + 1, this.frames - 1), at - first];
  }

  rotation(joint, frame, out) {
    const { values, columns, quantum } = this.rotations;
    const at = 3 * joint * columns + this.first + frame;
    const x = values[at] * quantum;
    const y = values[at + columns] * quantum;
    const z = values[at + 2 * columns] * quantum;
    const angle = Math.hypot(x, y, z);
    const scale = angle > 1e-8 ? Math.sin(angle / 2) / angle : 0.5;
    return out.set(x * scale, y * scale, z * scale, Math.cos(angle / 2));
  }

  place(frame, out) {
    const { values, columns, quantum } = this.translation;
    const at = this.first + frame;
    return out.set(values[at] * quantum, values[at + columns] * quantum, values[at + 2 * columns] * quantum);
  }

  // Where the camera follows: the root on the ground, averaged over a few seconds.
  smoothedPath() {
    const reach = Math.round(FOLLOW_S * this.fps);
    const sums = new Float64Array(2 * (this.frames + 1));
    const here = new Vector3();
    for (let f = 0; f < this.frames; f++) {
      this.place(f, here);
      sums[2 * f + 2] = sums[2 * f] + here.x;
      sums[2 * f + 3] = sums[2 * f + 1] + here.z;
    }
    const path = new Float32Array(2 * this.frames);
    for (let f = 0; f < this.frames; f++) {
      const from = Math.max(0, f - reach);
      const to = Math.min(this.frames, f + reach + 1);
      path[2 * f] = (sums[2 * to] - sums[2 * from]) / (to - from);
      path[2 * f + 1] = (sums[2 * to + 1] - sums[2 * from + 1]) / (to - from);
    }
    return path;
  }

  followed(seconds, out) {
    const [a, b, t] = this.around(seconds);
    return out.set(this.path[2 * a] * (1 - t) + this.path[2 * b] * t, 0, this.path[2 * a + 1] * (1 - t) + this.path[2 * b + 1] * t);
  }
}

// The mannequin's surface, which all bodies of the page share.
export function surfaceOf(mannequin) {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(mannequin.position, 3));
  geometry.setAttribute("skinIndex", new BufferAttribute(mannequin.joints, 4));
  geometry.setAttribute("skinWeight", new BufferAttribute(mannequin.weights, 4, true));
  const colours = new Float32Array(mannequin.position.length);
  for (const [ball, start, count] of mannequin.parts) {
    for (let v = start; v < start + count; v++) (ball ? BALL : WOOD).toArray(colours, 3 * v);
  }
  geometry.setAttribute("color", new BufferAttribute(colours, 3));
  geometry.setIndex(new BufferAttribute(mannequin.index, 1));
  geometry.computeVertexNormals();
  return geometry;
}

export function wood() {
  return new MeshStandardMaterial({ vertexColors: true, roughness: 0.55 });
}

export class Body {
  constructor({ parents, offsets }, surface, material, motion) {
    this.motion = motion;
    this.bones = offsets.map((offset) => {
      const bone = new Bone();
      bone.position.fromArray(offset);
      return bone;
    });
    parents.forEach((parent, joint) => parent >= 0 && this.bones[parent].add(this.bones[joint]));
    this.rest = this.bones[0].position.clone();
    this.object = new Group();
    this.object.add(this.skin(surface, material));
    this.mouth = null;
    this.scratch = [new Quaternion(), new Quaternion(), new Vector3(), new Vector3()];
  }

  skin(surface, material) {
    const mesh = new SkinnedMesh(surface, material);
    mesh.add(this.bones[0]);
    mesh.updateMatrixWorld(true);
    mesh.bind(new Skeleton(this.bones));
    mesh.castShadow = mesh.receiveShadow = !material.transparent;
    mesh.frustumCulled = false;
    return mesh;
  }

  // Eyes, brows, nose and a mouth that opens with the jaw, on the head's surface, so that the front is plain to see.
  withFace(surface) {
    const position = surface.getAttribute("position").array;
    const head = this.bones[HEAD].getWorldPosition(new Vector3());
    const front = (x, y) => {
      let z = 0;
      for (let v = 0; v < position.length; v += 3) {
        if (Math.abs(position[v] - x) < 0.012 && Math.abs(position[v + 1] - y) < 0.012) z = Math.max(z, position[v + 2]);
      }
      return z;
    };
    const dark = new MeshStandardMaterial({ color: 0x2b1a10, roughness: 0.35 });
    const put = (geometry, x, y, out, material = dark) => {
      const mesh = new Mesh(geometry, material);
      mesh.position.set(x - head.x, y - head.y, front(x, y) + out - head.z);
      mesh.castShadow = true;
      this.bones[HEAD].add(mesh);
      return mesh;
    };
    for (const side of [-1, 1]) {
      put(new SphereGeometry(0.0095, 20, 14), side * 0.032, 0.318, -0.003).scale.set(1, 1.25, 0.6);
      const brow = put(new BoxGeometry(0.03, 0.0045, 0.006), side * 0.033, 0.345, 0.0);
      brow.rotation.set(0, side * 0.4, side * -0.02);
    }
    put(new SphereGeometry(0.012, 20, 14), 0, 0.283, 0.004, new MeshStandardMaterial({ color: 0xc98b52, roughness: 0.6 })).scale.set(0.75, 1.5, 1.1);
    this.mouth = put(new SphereGeometry(0.02, 20, 14), 0, 0.243, -0.002);
    return this;
  }

  // Puts the bones where the motion has them at `seconds`, between frames by slerp.
  pose(seconds) {
    const [a, b, t] = this.motion.around(seconds);
    const [q, r, u, v] = this.scratch;
    for (let joint = 0; joint < this.bones.length; joint++) {
      this.motion.rotation(joint, a, q);
      if (t > 0) q.slerp(this.motion.rotation(joint, b, r), t);
      this.bones[joint].quaternion.copy(q);
    }
    this.motion.place(a, u).lerp(this.motion.place(b, v), t);
    this.bones[0].position.copy(this.rest).add(u);
    if (this.mouth) {
      const open = Math.max(0, 2 * Math.asin(Math.min(1, Math.abs(this.bones[JAW].quaternion.x))));
      this.mouth.scale.set(1, 0.13 + Math.min(1, open * 4), 0.4);
    }
    this.object.updateMatrixWorld(true);
  }

  // The point between the wrists, as they are drawn.
  between(out) {
    const [, , u, v] = this.scratch;
    const [left, right] = WRISTS.map((joint, k) => (k ? v : u).setFromMatrixPosition(this.bones[joint].matrixWorld));
    return out.addVectors(left, right).multiplyScalar(0.5);
  }

  joints() {
    return this.bones.map((bone) => new Vector3().setFromMatrixPosition(bone.matrixWorld).toArray());
  }
}
