// Reads a sealed recording from its first byte to its last and says what holds: header, chain, signatures, counts, end,
// attachments; with the content key every encrypted record as well. Keeps no picture, only where each record stands.

// A place that is not as it was written. `part`: "header", "record" or "attachment".
const problemAt = (part, number, offset, text) => ({ part, number, offset, text });

// Everything that was learned, also before a damage. `state` is null while it runs, then sealed,
// interrupted, unfinished, damaged, or unsupported (a newer reader is needed).
function newFindings() {
  return {
    state: null, problem: null, header: null, headerSigned: false, deviceFingerprint: "", records: 0, fragments: [],
    streams: [], marks: [], frames: 0, clean: 0, masked: 0, blanked: 0, signatures: 0, signedRecords: 0,
    covered: new Map(), end: null, tornBytes: 0, envelopeHolds: null, timestamps: [], openedRecords: 0, bytesDone: 0,
  };
}

async function verifySignature(publicKey, signature, ...message) {
  const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, joined(...message));
}

// Preamble, header and its signature. Gives {header, chain, next}: chain(-1) and the offset of record 0.
async function readHeader(source, findings) {
  const preamble = (await source.at(0, PREAMBLE_BYTES)).slice();
  const length = headerLength(preamble);
  const whole = (await source.at(0, PREAMBLE_BYTES + length + SIGNATURE_BYTES)).slice();
  if (whole.length < PREAMBLE_BYTES + length + SIGNATURE_BYTES) {
    throw new FormatFault("the file ends within its header", { short: true });
  }
  const signedBytes = whole.subarray(0, PREAMBLE_BYTES + length), signature = whole.subarray(PREAMBLE_BYTES + length);
  const header = parseHeader(signedBytes.subarray(PREAMBLE_BYTES));
  findings.header = header;
  findings.deviceFingerprint = await fingerprint(header.devicePublicKey);
  findings.headerSigned = await verifySignature(
    header.devicePublicKey, signature, utf8("scrubcam header v2\0"), signedBytes);
  if (!findings.headerSigned) throw new FormatFault("the header was changed: its signature does not hold");
  return { header, chain: await sha256(joined(utf8("scrubcam chain v2\0"), whole)), next: whole.length };
}

// Runs to the end or to the first damage. `content` is the content key or null, `separateEnvelope` the bytes of an
// envelope that came as a file of its own or null; `told` is called now and then; `signal` stops it (AbortSignal).
async function verifyRecording(file, findings, { content = null, separateEnvelope = null, told = () => {}, signal }) {
  const source = new SlicedFile(file);
  try {
    const { chain, next } = await readHeader(source, findings);
    const end = await walkRecords(source, next, chain, findings, { content, told, signal });
    if (findings.end) await readAttachments(source, end, findings);
    if (separateEnvelope) findings.envelopeHolds = await isNamedEnvelope(separateEnvelope, findings.header);
    findings.state = findings.end ? findings.end.state : "unfinished";
    if (!findings.end) findings.problem = problemAt("record", findings.records, end, "the file ends here");
  } catch (error) {
    if (!(error instanceof FormatFault)) throw error;
    const part = error.part ?? "header", number = error.number ?? null;
    findings.problem = problemAt(part, number, error.offset ?? 0, error.message);
    findings.state = error.unknown ? "unsupported" : "damaged";
  }
  findings.bytesDone = file.size;
  told();
}

async function walkRecords(source, start, firstChain, findings, { content, told, signal }) {
  let before = firstChain, at = start;
  for (let number = 0; at < source.size && !findings.end; number++) {
    signal?.throwIfAborted();
    try {
      const head = parseFrameHead(await source.at(at, HEAD_BYTES), source.size - at);
      const frame = await source.at(at, head.length);
      const chain = await sha256(joined(before, frame.subarray(0, head.length - CHAIN_BYTES)));
      if (!sameBytes(chain, frame.subarray(head.length - CHAIN_BYTES))) {
        throw new FormatFault("it is not as it was written: its chain value does not hold");
      }
      if (head.number !== number) throw new FormatFault(`it is numbered ${head.number}`);
      const publicData = checkRecord(head, frame.subarray(HEAD_BYTES, head.headLength));
      await takeIn({ head, at, before, frame, publicData, content }, findings);
      before = chain;
      at += head.length;
    } catch (error) {
      if (!(error instanceof FormatFault)) throw error;
      if (error.short && !(await recordsBehind(source, at + 1)) && !(await endsWithAttachment(source))) {
        findings.tornBytes = source.size - at; // a cut, not a change: what was being written when it stopped
        return at;
      }
      throw Object.assign(error, { part: "record", number, offset: at });
    }
    findings.records = number + 1;
    findings.bytesDone = at;
    if (number % 16 === 0) told();
  }
  return at;
}

// One record that the chain has proven.
async function takeIn({ head, at, before, frame, publicData, content }, findings) {
  const { type, number, length } = head, place = { number, offset: at, length };
  if (type === SIGNATURE || type === END) {
    const payload = frame.subarray(head.headLength, head.headLength + SIGNATURE_BYTES);
    const holds = await verifySignature(findings.header.devicePublicKey, payload, utf8("scrubcam signature v2\0"), before,
      frame.subarray(0, head.headLength));
    if (!holds) throw new FormatFault("its signature does not hold: it was not signed by the device of the header");
    findings.signatures++;
    const at = type === END ? "end" : "start"; // what a timestamp may cover; the start is the first signature
    const chain = frame.slice(head.length - CHAIN_BYTES, head.length);
    if (!findings.covered.has(at)) findings.covered.set(at, { number, chain });
    findings.signedRecords = number + 1;
  }
  if (head.flags & ENCRYPTED && content) {
    try {
      await openRecord(content, head, before, frame);
    } catch {
      throw new FormatFault("it does not open with the recording's key: it is not what was sealed");
    }
    findings.openedRecords++;
  }
  if (type === STREAM) findings.streams.push({ ...place, told: publicData });
  else if (type === FRAGMENT) takeInFragment(place, publicData, findings);
  else if (type === CONSENT || (type >= BOOKMARK && type <= NOTE)) findings.marks.push({ ...place, type, told: publicData });
  else if (type === END) takeInEnd(publicData, number, findings);
}

function takeInFragment(place, told, findings) {
  findings.fragments.push({
    ...place, ptsNs: told.pts_ns, durationNs: told.duration_ns, keyframe: told.keyframe === true,
    stream: findings.streams.length - 1, blankedWhole: told.blanked > 0 && told.blanked === told.frames,
  });
  for (const name of ["frames", "clean", "masked", "blanked"]) findings[name] += told[name];
}

function takeInEnd(told, number, findings) {
  const counted = { records: number + 1, fragments: findings.fragments.length, frames: findings.frames };
  for (const [name, count] of Object.entries(counted)) {
    if (told[name] !== count) throw new FormatFault(`it counts ${told[name]} ${name}, but there are ${count}`);
  }
  if (told.state !== "sealed" && told.state !== "interrupted") {
    throw new FormatFault(`it says ${told.state}, which this page does not know`, { unknown: true });
  }
  findings.end = told;
}

async function readAttachments(source, start, findings) {
  for (let at = start, number = 0; at < source.size; number++) {
    try {
      const length = attachmentLength(await source.at(at, ATTACHMENT_HEAD_BYTES), source.size - at);
      const { type, payload } = await parseAttachment(await source.at(at, length));
      if (type === KEY_ENVELOPE) await takeInEnvelope(payload, findings);
      if (type === TIMESTAMP) findings.timestamps.push(await readTimestamp(payload, findings));
      at += length;
    } catch (error) {
      if (!(error instanceof FormatFault)) throw error;
      throw Object.assign(error, { part: "attachment", number, offset: at });
    }
  }
}

// {at, time}: which moment of the recording, and the time that the token tells or null where it cannot be read. The
// authority's own signature is not checked. In a TSTInfo (RFC 3161) the imprint, an octet string, stands before genTime.
async function readTimestamp(payload, findings) {
  const { at, record, token } = jsonObject(payload, "the timestamp"), covered = findings.covered.get(at);
  if (!covered || covered.number !== record) throw new FormatFault("the timestamp is not over the record that it should be");
  let text;
  try {
    text = String.fromCharCode(...fromBase64(token));
  } catch {
    throw new FormatFault("the timestamp cannot be read");
  }
  const found = text.indexOf(`\x04\x20${String.fromCharCode(...await sha256(covered.chain))}`);
  if (found < 0) throw new FormatFault(`the timestamp is not of the chain value at the recording's ${at}`);
  const time = /\x18.(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?Z/s.exec(text.slice(found));
  return { at, time: time && `${time.slice(1, 4).join("-")} ${time.slice(4, 7).join(":")} UTC` };
}

const isNamedEnvelope = async (bytes, header) => hex(await sha256(bytes)) === header.key_envelope_sha256;

// An attached envelope belongs to the file, so a wrong one is damage; a separate one is a file of its own.
async function takeInEnvelope(payload, findings) {
  if (findings.envelopeHolds) throw new FormatFault("there is a second key envelope");
  findings.envelopeHolds = await isNamedEnvelope(payload, findings.header);
  if (!findings.envelopeHolds) throw new FormatFault("the key envelope is not the one that the header names");
}

// Does the file end with a whole attachment? Then its end was not cut off.
async function endsWithAttachment(source) {
  const [last] = await attachmentsFromEnd(source.file);
  return last !== undefined &&
    parseAttachment(await readSlice(source.file, last.offset, last.length)).then(() => true, () => false);
}

// Is there a whole record behind `start`, proven by the chain value in front of it? Looks for the marker.
async function recordsBehind(source, start) {
  const step = 1 << 20;
  for (let from = start; from < source.size; from += step) {
    const piece = (await source.at(from, step + 3)).slice();
    for (let i = piece.indexOf(0x53); i >= 0 && i < step; i = piece.indexOf(0x53, i + 1)) {
      if (i + 4 <= piece.length && ascii(piece, i, 4) === "SREC" && await wholeAt(source, from + i)) return true;
    }
  }
  return false;
}

async function wholeAt(source, at) {
  try {
    const head = parseFrameHead(await source.at(at, HEAD_BYTES), source.size - at);
    const frame = await source.at(at - CHAIN_BYTES, head.length + CHAIN_BYTES);
    const end = frame.length - CHAIN_BYTES;
    return sameBytes(await sha256(frame.subarray(0, end)), frame.subarray(end));
  } catch (error) {
    if (error instanceof FormatFault) return false;
    throw error;
  }
}
