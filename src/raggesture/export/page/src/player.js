// The clock: the audio element where there is a voice, the computer's own clock where there is none.

export class Player {
  // `voice`: a Blob that an audio element plays, or null.
  constructor(voice, duration) {
    this.duration = duration;
    this.loop = false;
    this.listeners = [];
    this.audio = null;
    this.at = 0;
    this.since = null;
    this.wanted = false; // that the end starts again is for a voice that was playing, not for one that had stopped there
    this.speed = 1;
    if (voice) {
      this.audio = new Audio();
      this.audio.preload = "auto";
      this.audio.src = URL.createObjectURL(voice);
      for (const event of ["play", "pause", "seeked", "ended"]) this.audio.addEventListener(event, () => this.tell());
    }
  }

  loaded() {
    if (!this.audio || this.audio.readyState >= 1) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.audio.addEventListener("loadedmetadata", () => resolve(), { once: true });
      this.audio.addEventListener("error", () => reject(new Error("this browser cannot play the voice in this page")), { once: true });
    });
  }

  withoutVoice() {
    this.audio = null;
  }

  get time() {
    if (this.audio) return Math.min(this.audio.currentTime, this.duration);
    const run = this.since === null ? 0 : ((performance.now() - this.since) / 1000) * this.speed;
    return Math.min(this.at + run, this.duration);
  }

  get playing() {
    return this.audio ? !this.audio.paused && !this.audio.ended : this.since !== null;
  }

  onchange(listener) {
    this.listeners.push(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  async play() {
    this.wanted = true;
    if (this.time >= this.duration - 0.02) this.seek(0);
    if (this.audio) await this.audio.play();
    else this.since = performance.now();
    this.tell();
  }

  pause() {
    this.wanted = false;
    if (this.audio) this.audio.pause();
    else {
      this.at = this.time;
      this.since = null;
    }
    this.tell();
  }

  toggle() {
    return this.playing ? this.pause() : this.play();
  }

  seek(seconds) {
    const to = Math.min(Math.max(seconds, 0), this.duration);
    if (this.audio) this.audio.currentTime = to;
    else {
      this.at = to;
      if (this.since !== null) this.since = performance.now();
    }
    this.tell();
  }

  setSpeed(speed) {
    if (this.audio) this.audio.playbackRate = speed;
    else {
      this.at = this.time;
      if (this.since !== null) this.since = performance.now();
    }
    this.speed = speed;
  }

  // Called for every picture: stops or starts again at the end.
  tick() {
    const over = this.audio ? this.audio.ended || this.audio.currentTime >= this.duration : this.time >= this.duration;
    if (!over || !this.wanted) return;
    if (this.loop) {
      this.seek(0);
      this.play();
    } else this.pause();
  }
}
