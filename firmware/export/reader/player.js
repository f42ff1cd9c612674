// Plays opened fragments with Media Source Extensions: fetches a few seconds ahead, forgets what was shown, crosses gaps,
// begins anew where another kind of stream follows. Knows no key: `open(place)` gives a record's content.

const AHEAD_S = 8, BEHIND_S = 20, STEP_MS = 100;

class Player {
  // `open({number, offset})` gives {told, blob}; `failed(error, entry)` is told what could not be played.
  constructor(video, timeline, open, failed) {
    Object.assign(this, { video, timeline, open, failed, run: 0, filling: null, source: null, buffer: null, mime: null,
      stream: null, loadedFromS: 0, loadedToS: 0 });
    this.onSeeking = () => {
      const at = video.currentTime;
      if (at < this.loadedFromS || at > this.loadedToS) this.startAt(at);
    };
    this.onError = () => failed(new Error(`the browser could not play on: ${video.error?.message}`), null);
    video.addEventListener("seeking", this.onSeeking);
    video.addEventListener("error", this.onError);
    this.timer = setInterval(() => this.crossGap(), STEP_MS);
  }

  get lengthS() { return (this.timeline.endNs - this.timeline.firstNs) / 1e9; }

  secondsOf(entry) { return (entry.ptsNs - this.timeline.firstNs) / 1e9; }

  close() {
    this.run++;
    clearInterval(this.timer);
    this.video.removeEventListener("seeking", this.onSeeking);
    this.video.removeEventListener("error", this.onError);
    this.releaseSource();
    this.video.removeAttribute("src");
    this.video.load();
  }

  // Begin at a time, whatever was loaded before. Only one filling goes on at once: the one before ends at its next step.
  async startAt(seconds) {
    const run = ++this.run;
    await this.filling;
    if (run === this.run) this.filling = this.fill(run, seconds);
  }

  async fill(run, seconds) {
    let entry = null;
    try {
      let cursor = await this.timeline.keyframeBefore(this.timeline.firstNs + seconds * 1e9);
      entry = await this.timeline.entry(cursor);
      if (this.buffer) await this.remove(0, Infinity);
      [this.loadedFromS, this.loadedToS] = [Math.min(this.secondsOf(entry), seconds), seconds];
      for (; entry && run === this.run; entry = await this.timeline.entry(cursor)) {
        if (this.secondsOf(entry) > this.video.currentTime + AHEAD_S || !(await this.readyFor(entry, seconds))) {
          await pause(STEP_MS);
          if (run === this.run) await this.forget(BEHIND_S);
          continue;
        }
        await this.appendFragment(run, entry);
        cursor = await this.timeline.next(cursor);
      }
      if (run === this.run && this.source.readyState === "open") this.source.endOfStream();
    } catch (error) {
      if (run === this.run) this.failed(error, entry);
    }
  }

  // The stream of `entry` is the one being played, or becomes it; false while what came before has not been shown.
  async readyFor(entry, seconds) {
    if (!entry.stream) throw new FormatFault("no stream record stands before the fragment");
    if (this.stream?.number !== entry.stream.number) {
      const { blob } = await this.open(entry.stream);
      const tracks = mp4Tracks(blob), mime = mp4Type(tracks);
      if (!MediaSource.isTypeSupported(mime)) throw new UnplayableStream(mime, tracks);
      this.stream = { number: entry.stream.number, init: blob.slice(), tracks, mime, appended: false, shiftS: null };
    }
    if (this.mime === this.stream.mime) return true;
    if (this.mime && this.video.currentTime < this.loadedToS - 0.3) return false;
    await this.newSource(Math.max(this.secondsOf(entry), seconds));
    return true;
  }

  async newSource(seconds) {
    const playing = !this.video.paused && this.mime !== null;
    this.releaseSource();
    this.source = new MediaSource();
    this.address = URL.createObjectURL(this.source);
    const opened = new Promise((resolve) => this.source.addEventListener("sourceopen", resolve, { once: true }));
    this.video.src = this.address;
    await opened;
    this.source.duration = this.lengthS;
    this.mime = this.stream.mime;
    this.buffer = this.source.addSourceBuffer(this.mime);
    if (seconds > 0) this.video.currentTime = seconds;
    if (playing) this.video.play().catch(() => {}); // a browser that wants another press on "play" says so by pausing
  }

  releaseSource() {
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = this.source = this.buffer = this.mime = null;
  }

  async appendFragment(run, entry) {
    const { stream } = this, { told, blob } = await this.open(entry);
    if (!stream.appended) await this.append(run, stream.init);
    stream.appended = true;
    const shiftS = this.secondsOf(entry) - mp4StartSeconds(blob, stream.tracks);
    // The film's own clock runs evenly; only a jump (a gap, a new start) moves it, not a rounding.
    if (stream.shiftS === null || Math.abs(shiftS - stream.shiftS) > 0.02) stream.shiftS = shiftS;
    if (run !== this.run) return;
    this.buffer.timestampOffset = stream.shiftS;
    await this.append(run, blob);
    this.loadedToS = Math.max(this.loadedToS, this.secondsOf(entry) + told.duration_ns / 1e9);
  }

  async append(run, bytes) {
    while (run === this.run) {
      try {
        this.buffer.appendBuffer(bytes);
        return await updated(this.buffer);
      } catch (error) {
        if (error.name !== "QuotaExceededError") throw error;
        await this.forget(2); // the browser's own bound: make room and try again
        await pause(STEP_MS);
      }
    }
    return null;
  }

  async remove(fromS, untilS) {
    this.buffer.remove(fromS, untilS);
    await updated(this.buffer);
  }

  async forget(behindS) {
    const untilS = this.video.currentTime - behindS;
    if (!this.buffer || untilS <= this.loadedFromS + 1) return;
    await this.remove(0, untilS);
    this.loadedFromS = untilS + 2; // a removal goes on to the next picture that stands alone
  }

  // Where nothing was recorded the film has a hole: go on behind it.
  crossGap() {
    const { video } = this;
    if (video.paused || video.seeking || video.readyState > 2) return;
    const ranges = [...Array(video.buffered.length).keys()].map((i) => video.buffered.start(i));
    const next = ranges.find((start) => start > video.currentTime);
    if (next !== undefined) video.currentTime = next + 0.001;
  }
}

class UnplayableStream extends Error {
  constructor(mime, tracks) {
    const hevc = tracks.some((track) => /^h(vc|ev)1/.test(track.codec));
    super(`This browser cannot play ${hevc ? "H.265" : mime}. Everything else on this page holds; to see the film, `
      + "export it with: scrubcam export FILE --key KEY");
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function updated(buffer) {
  if (!buffer.updating) return;
  await new Promise((resolve, reject) => {
    buffer.onupdateend = resolve;
    buffer.onerror = () => reject(new Error("the browser could not read the film"));
  });
}
