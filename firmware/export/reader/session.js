// One recording on the page: the files that were given, the findings, the key and the player. Tells the view what to
// show; knows no element but the video.

class Session {
  constructor(video, changed, message) {
    Object.assign(this, { video, changed, message, file: null, envelope: null, key: null, body: null, trust: null,
      findings: null, content: null, keyState: "none", player: null, marks: [], filmProblem: "", run: null });
  }

  get trusted() {
    return this.trust && this.findings?.deviceFingerprint ? this.trust.has(this.findings.deviceFingerprint) : null;
  }

  // Take in what was dropped or chosen, in any order. What cannot be used is told, and the rest goes on without it.
  async take(files) {
    for (const file of files) await this.takeOne(file).catch((error) => this.message(error.message));
    if (this.file) await this.begin();
  }

  async takeOne(file) {
    const kind = await kindOfFile(file);
    if (kind === "recording") [this.file, this.name] = [file, file.name];
    else if (kind === "envelope") this.envelope = await readSlice(file, 0, MAX_ATTACHMENT_BYTES);
    else if (kind === "devices") this.trust = await parseTrustList(await file.text());
    else if (kind === "key") await this.takeKey(file);
    else if (kind === "public key") throw new Error(`${file.name} is the public key, which seals. The private one opens.`);
    else throw new Error(`${file.name} is neither a recording nor a key.`);
  }

  async takeKey(file) {
    const key = parsePrivateKey(await file.text());
    if (!canOpen(key.kem)) {
      throw new Error(`${file.name} is of kind ${key.kem}, which this browser cannot open. Use a newer browser, or the `
        + "command: scrubcam export FILE --key KEY");
    }
    [this.key, this.keyName, this.body] = [key, file.name, null];
    this.keyState = key.protection === "none" ? "given" : "locked";
    if (this.keyState === "given") this.body = await unlockPrivateKey(key, "");
  }

  async unlock(passphrase) {
    this.body = await unlockPrivateKey(this.key, passphrase);
    this.keyState = "given";
    if (this.file) await this.begin();
  }

  // Check from the front (again, where a key has come), and play as soon as the key opens it.
  async begin() {
    this.run?.abort();
    this.run = new AbortController();
    const { signal } = this.run;
    this.player?.close();
    Object.assign(this, { player: null, content: null, marks: [], filmProblem: "" });
    const findings = this.findings = newFindings();
    await readHeader(new SlicedFile(this.file, 1 << 16), findings).catch(() => {}); // to show; verifyRecording judges
    this.changed();
    if (this.body && findings.headerSigned) {
      await this.openContent(findings.header).catch((error) => this.message(error.message));
    }
    if (signal.aborted) return;
    const byIndex = this.content && await Timeline.fromIndex(this.file).catch(() => null);
    if (byIndex && !signal.aborted) this.play(byIndex);
    await this.verify(signal, byIndex).catch((error) => { if (!signal.aborted) throw error; }); // else begun anew
  }

  async openContent(header) {
    this.keyState = "given";
    const envelope = this.envelope ?? await findEnvelope(this.file, header);
    if (!envelope) {
      throw new Error("This file carries no keys, so the private key alone does not open it. Drop the sealed copy, or the "
        + "recording's key envelope (.keys) beside it.");
    }
    this.content = await contentKey(envelope, header, this.key, this.body);
    this.keyState = "open";
  }

  async verify(signal, playing) {
    const findings = this.findings = newFindings();
    await verifyRecording(this.file, findings, {
      content: this.content, separateEnvelope: this.envelope, told: () => this.changed(), signal,
    });
    if (signal.aborted) return;
    if (this.content) {
      await this.openMarks(findings);
      const whole = Timeline.fromWalk(findings);
      if (!whole) this.player?.close();
      else if (!playing || isRefused(findings)) this.play(whole); // only what stands before the damage
    }
    this.changed();
  }

  play(timeline) {
    const at = this.video.currentTime || 0;
    this.player?.close();
    this.filmProblem = "";
    this.player = new Player(this.video, timeline, (place) => this.contentOf(place), (error) => {
      this.filmProblem = error instanceof UnplayableStream ? error.message
        : `The film cannot be shown from here: ${error.message}.`;
      this.changed();
    });
    this.player.startAt(Math.min(at, Math.max(0, this.player.lengthS - 1)));
    this.changed();
  }

  // {told, blob} of the record at a place; its tag proves that it is the one with this number, as it was written.
  async contentOf({ number, offset }) {
    const frame = await readFrameAt(this.file, offset);
    if (!frame || frame.head.number !== number) throw new FormatFault(`record ${number} is not where the index says`);
    try {
      return await openRecord(this.content, frame.head, frame.before, frame.bytes);
    } catch {
      throw new FormatFault(`record ${number} (at byte ${offset.toLocaleString("en")}) was changed: it does not open`);
    }
  }

  // What bookmarks, gaps, state changes, notes and consent say, which is encrypted. Record 0 stands behind the header.
  async openMarks(findings) {
    for (const mark of findings.marks) {
      if (mark.number === 0) mark.said = await this.firstConsent(mark).catch(() => ({}));
      else mark.said = (await this.contentOf(mark).catch(() => ({ told: {} }))).told;
    }
  }

  async firstConsent(mark) {
    const { chain } = await readHeader(new SlicedFile(this.file, 1 << 16), newFindings());
    const frame = await readSlice(this.file, mark.offset, mark.length);
    return (await openRecord(this.content, parseFrameHead(frame, mark.length), chain, frame)).told;
  }
}
