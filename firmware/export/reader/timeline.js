// Which fragment holds a time. From the file's own index where it has one (a few reads, whatever its length), else from
// what the walk has found so far. Times are nanoseconds on the recording's time line.

// {number, offset, ptsNs, keyframe, stream: {number, offset}} is an entry; `next` gives the one after it or null.
class Timeline {
  constructor(blocks, load, firstNs, endNs) {
    this.blocks = blocks; // [{ptsNs, offset, entries}]; entries null until loaded
    this.load = load;
    this.firstNs = firstNs;
    this.endNs = endNs;
  }

  // What the walk found whole; undefined when there is no fragment.
  static fromWalk(findings) {
    const entries = findings.fragments.map((one) => ({ ...one, stream: findings.streams[one.stream] }));
    const last = entries.at(-1);
    return last && new Timeline([{ ptsNs: entries[0].ptsNs, entries }], null, entries[0].ptsNs,
      last.ptsNs + last.durationNs);
  }

  // null when the file has no end record with an index: it is then searched from the front.
  static async fromIndex(file) {
    const end = await findEnd(file);
    if (!end?.told.index_offset) return null;
    const newest = await readFrameAt(file, end.told.index_offset);
    if (newest?.head.type !== INDEX) return null;
    const blocks = newest.told.indexes.map(([ptsNs, offset]) => ({ ptsNs, offset, entries: null }));
    if (newest.told.fragments.length) {
      blocks.push({ ptsNs: newest.told.fragments[0][2], offset: end.told.index_offset, entries: null });
    }
    const timeline = new Timeline(blocks, (offset) => loadBlock(file, offset), blocks[0]?.ptsNs ?? 0, 0);
    const lastBlock = blocks.length ? await timeline.entriesOf(blocks.length - 1) : [];
    if (!lastBlock.length) return null;
    const last = await readFrameAt(file, lastBlock.at(-1).offset);
    if (last?.head.type !== FRAGMENT) return null;
    timeline.endNs = last.told.pts_ns + last.told.duration_ns;
    return timeline;
  }

  async entriesOf(block) {
    const chosen = this.blocks[block];
    chosen.entries ??= await this.load(chosen.offset);
    return chosen.entries;
  }

  // The last fragment at or before `ns` that can be played from: {block, at}, a cursor.
  async keyframeBefore(ns) {
    let block = this.blocks.findLastIndex((one) => one.ptsNs <= ns);
    for (block = Math.max(block, 0); block >= 0; block--) {
      const entries = await this.entriesOf(block);
      const at = entries.findLastIndex((one) => one.keyframe && one.ptsNs <= ns);
      if (at >= 0) return { block, at };
    }
    return { block: 0, at: 0 };
  }

  async entry({ block, at }) {
    if (block >= this.blocks.length) return null;
    return (await this.entriesOf(block))[at] ?? null;
  }

  async next({ block, at }) {
    const within = at + 1 < (await this.entriesOf(block)).length;
    return within ? { block, at: at + 1 } : { block: block + 1, at: 0 };
  }
}

async function loadBlock(file, offset) {
  const frame = await readFrameAt(file, offset);
  if (frame?.head.type !== INDEX) throw new FormatFault("the index is not where it should be");
  const streams = frame.told.streams.map(([number, at]) => ({ number, offset: at }));
  return frame.told.fragments.map(([number, at, ptsNs, keyframe]) => ({
    number, offset: at, ptsNs, keyframe: keyframe === 1, stream: streams.findLast((one) => one.number < number),
  }));
}

// One frame by its offset: {head, told, before, bytes}, or null when none stands there. Two small reads.
async function readFrameAt(file, offset) {
  try {
    const first = await readSlice(file, offset - CHAIN_BYTES, CHAIN_BYTES + 4096);
    const head = parseFrameHead(first.subarray(CHAIN_BYTES), file.size - offset);
    const enough = first.length >= CHAIN_BYTES + head.length;
    const all = enough ? first : await readSlice(file, offset - CHAIN_BYTES, CHAIN_BYTES + head.length);
    const bytes = all.subarray(CHAIN_BYTES, CHAIN_BYTES + head.length);
    const told = jsonObject(bytes.subarray(HEAD_BYTES, head.headLength), "its public data");
    return { head, told, before: all.subarray(0, CHAIN_BYTES), bytes };
  } catch (error) {
    if (error instanceof FormatFault) return null;
    throw error;
  }
}

// Where the attachments stand, last first: each ends with its own length. {offset, length} of each.
async function attachmentsFromEnd(file) {
  const found = [];
  for (let end = file.size; ;) {
    const footer = await readSlice(file, Math.max(end - 8, 0), 8);
    const length = footer.length === 8 && ascii(footer, 4, 4) === "TTAS" ? uint32(footer, 0) : 0;
    if (length < ATTACHMENT_EXTRA_BYTES || length > end) return found;
    end -= length;
    found.push({ offset: end, length });
  }
}

// The bytes of the key envelope in a sealed copy, or null: by the footers; where the end of the copy is damaged, by its
// first eight bytes and the digest in the header. Whether it is the right one is the reader's to check.
async function findEnvelope(file, header) {
  for (const { offset, length } of await attachmentsFromEnd(file)) {
    const attachment = await parseAttachment(await readSlice(file, offset, length)).catch(() => null);
    if (attachment?.type === KEY_ENVELOPE) return attachment.payload;
  }
  const start = Math.max(file.size - MAX_ATTACHMENT_BYTES, 0), tail = await readSlice(file, start, MAX_ATTACHMENT_BYTES);
  for (let i = tail.indexOf(0x53); i >= 0; i = tail.indexOf(0x53, i + 1)) {
    if (!sameBytes(tail.subarray(i, i + 8), ENVELOPE_START) || i + ATTACHMENT_HEAD_BYTES > tail.length) continue;
    const payload = tail.subarray(i + ATTACHMENT_HEAD_BYTES, i + ATTACHMENT_HEAD_BYTES + uint32(tail, i + 8));
    if (await isNamedEnvelope(payload, header)) return payload;
  }
  return null;
}

// The end record: in the last 4096 bytes before the attachments.
async function findEnd(file) {
  const end = (await attachmentsFromEnd(file)).at(-1)?.offset ?? file.size;
  const start = Math.max(end - 4096, 0), tail = await readSlice(file, start, end - start);
  for (let i = tail.length - 4; i >= 0; i--) {
    if (ascii(tail, i, 4) !== "SREC") continue;
    const frame = await readFrameAt(file, start + i);
    if (frame?.head.type === END && start + i + frame.head.length === end) return frame;
  }
  return null;
}
