// Floor, light, camera.
import {
  ACESFilmicToneMapping, CircleGeometry, Color, DirectionalLight, Fog, HemisphereLight, Mesh, MeshStandardMaterial, PCFShadowMap, PerspectiveCamera,
  Scene, Spherical, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

// `tall` and `wide`: metres in sight; `aside`: where a second body stands.
const VIEWS = {
  front: { height: 0.83, tall: 2.25, wide: 1.5, from: [0.0, 0.1, 1], aside: [1, 0, 0] },
  upper: { height: 1.22, tall: 1.12, wide: 1.5, from: [0.0, 0.06, 1], aside: [1, 0, 0] },
  side: { height: 0.83, tall: 2.25, wide: 1.5, from: [1, 0.1, 0.12], aside: [0, 0, -1] },
  hands: { height: 0, tall: 0.72, wide: 0.95, from: [0.0, 0.12, 1], aside: [1, 0, 0] },
};
const PAIR_WIDER_M = 1.3;
const PAIR_TALLER = 1.12; // room for the names
const CALM = 0.15; // of the way to the hands, each picture: the camera does not shake with them
const TURN_RAD = 0.12;

const SLOW_MS = 70;

export class Stage {
  constructor(canvas, floor) {
    this.canvas = canvas;
    this.floor = floor;
    this.scale = 1;
    this.slow = 0;
    this.drawn = 0;
    this.renderer = new WebGLRenderer({ canvas, antialias: true, powerPreference: "high-performance" });
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.renderer.toneMapping = ACESFilmicToneMapping;
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(30, 1, 0.05, 60);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.maxPolarAngle = Math.PI / 2 - 0.02;
    this.controls.minDistance = 0.5;
    this.controls.maxDistance = 12;
    this.controls.addEventListener("change", () => (this.dirty = true));
    this.centre = new Vector3();
    this.aside = new Vector3();
    this.pair = null;
    this.ground = new Mesh(new CircleGeometry(30, 64), new MeshStandardMaterial({ roughness: 1 }));
    this.ground.rotation.x = -Math.PI / 2;
    this.ground.position.y = floor;
    this.ground.receiveShadow = true;
    this.sky = new HemisphereLight(0xffffff, 0xffffff, 1);
    this.sun = new DirectionalLight(0xfff4e6, 2.4);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(2048, 2048);
    this.sun.shadow.radius = 6;
    this.sun.shadow.normalBias = 0.012;
    Object.assign(this.sun.shadow.camera, { left: -1.6, right: 1.6, top: 2.2, bottom: -1.2, near: 0.5, far: 9 });
    this.rim = new DirectionalLight(0xcfe0ff, 0.9);
    this.scene.add(this.ground, this.sky, this.sun, this.sun.target, this.rim, this.rim.target);
    this.view("front");
    this.dirty = true;
  }

  // Colours come from the page's style, so that light and dark follow the reader's setting.
  colours(style) {
    const backdrop = new Color(style.getPropertyValue("--backdrop").trim());
    const dark = style.getPropertyValue("--dark").trim() === "1";
    this.scene.background = backdrop;
    this.scene.fog = new Fog(backdrop, 5.5, 13);
    this.ground.material.color.set(style.getPropertyValue("--ground").trim());
    this.sky.intensity = dark ? 1.2 : 1.5;
    this.sky.groundColor.set(dark ? 0x2a2622 : 0xb8aa98);
    this.sun.intensity = dark ? 2.2 : 2.3;
    this.rim.intensity = dark ? 1.0 : 0.7;
    this.dirty = true;
  }

  view(name) {
    const { height, tall, wide, from, aside } = VIEWS[name];
    const half = Math.tan((this.camera.fov * Math.PI) / 360);
    const distance = Math.max(this.pair ? PAIR_TALLER * tall : tall, (wide + (this.pair ? PAIR_WIDER_M : 0)) / this.camera.aspect) / 2 / half;
    this.aside.fromArray(aside);
    this.name = name;
    this.fresh = true;
    this.controls.target.set(this.centre.x, this.floor + height, this.centre.z);
    this.camera.position.copy(this.controls.target).addScaledVector(new Vector3(...from).normalize(), distance);
    this.controls.update();
    this.dirty = true;
  }

  // Turns around what is looked at (radians), or comes closer (a factor): what the pointer does, by keyboard.
  turn(right, up) {
    const arm = this.camera.position.clone().sub(this.controls.target);
    const place = new Spherical().setFromVector3(arm);
    place.theta += right * TURN_RAD;
    place.phi = Math.min(this.controls.maxPolarAngle, Math.max(0.1, place.phi - up * TURN_RAD));
    this.camera.position.copy(this.controls.target).add(arm.setFromSpherical(place));
    this.controls.update();
  }

  closer(factor) {
    const arm = this.camera.position.clone().sub(this.controls.target);
    const length = Math.min(this.controls.maxDistance, Math.max(this.controls.minDistance, arm.length() / factor));
    this.camera.position.copy(this.controls.target).addScaledVector(arm.normalize(), length);
    this.controls.update();
  }

  // `place`: where the body is; `hands`: the point between its hands. `calmly`: while it plays.
  follow(place, hands, calmly) {
    const near = this.name === "hands";
    const step = near ? hands.clone().sub(this.controls.target) : place.clone().sub(this.centre).setY(0);
    if (near && calmly && !this.fresh) step.multiplyScalar(CALM);
    this.fresh = false;
    this.centre.copy(place);
    this.camera.position.add(step);
    this.controls.target.add(step);
    this.sun.position.set(place.x + 1.4, this.floor + 4.2, place.z + 2.6);
    this.sun.target.position.set(place.x, this.floor + 0.8, place.z);
    this.rim.position.set(place.x - 2, this.floor + 3, place.z - 3);
    this.rim.target.position.set(place.x, this.floor + 1, place.z);
    this.dirty = true;
  }

  onScreen(bone) {
    this.camera.updateMatrixWorld();
    const place = new Vector3().setFromMatrixPosition(bone.matrixWorld).project(this.camera);
    const box = this.canvas.getBoundingClientRect();
    return [box.left + ((place.x + 1) / 2) * box.width, box.top + ((1 - place.y) / 2) * box.height];
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement;
    if (!width || !height) return;
    const first = !this.sized;
    this.sized = true;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2) * this.scale);
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (first) this.view("front");
    this.dirty = true;
  }

  draw(now) {
    if (!this.dirty) return;
    this.dirty = false;
    this.renderer.render(this.scene, this.camera);
    this.pair?.name(this.camera, this.canvas.clientWidth, this.canvas.clientHeight);
    this.spare(now - this.drawn);
    this.drawn = now;
  }

  // Where pictures take long one after the other (no graphics card), draws fewer pixels.
  spare(took) {
    this.slow = Math.max(0, this.slow + (took > SLOW_MS && took < 4000 ? 1 : -1));
    if (this.slow < 5 || this.scale <= 0.5) return;
    this.slow = 0;
    this.scale *= 0.7;
    this.resize();
  }
}
