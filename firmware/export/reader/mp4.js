// As much of MP4 (ISO 14496-12, -15) as playing needs: which codecs an initialisation segment holds, and at what time of
// its own a fragment's picture begins.

// The boxes directly inside `bytes`: [{type, body}].
function* mp4Boxes(bytes) {
  for (let at = 0; at + 8 <= bytes.length;) {
    let size = uint32(bytes, at), head = 8;
    if (size === 1 && at + 16 <= bytes.length) [size, head] = [uint64(bytes, at + 8), 16];
    if (size === 0) size = bytes.length - at;
    if (size < head || at + size > bytes.length) throw new FormatFault("its film data is not readable");
    yield { type: ascii(bytes, at + 4, 4), body: bytes.subarray(at + head, at + size) };
    at += size;
  }
}

function mp4Find(bytes, ...path) { // the bodies of all boxes at a path
  const [type, ...rest] = path;
  const found = [...mp4Boxes(bytes)].filter((box) => box.type === type).map((box) => box.body);
  return rest.length ? found.flatMap((body) => mp4Find(body, ...rest)) : found;
}

// [{id, timescale, video, codec}] of an initialisation segment; `codec` as RFC 6381 writes it.
function mp4Tracks(init) {
  return mp4Find(init, "moov", "trak").map((trak) => {
    const tkhd = mp4Find(trak, "tkhd")[0], mdhd = mp4Find(trak, "mdia", "mdhd")[0];
    const entry = [...mp4Boxes(mp4Find(trak, "mdia", "minf", "stbl", "stsd")[0].subarray(8))][0];
    return {
      id: uint32(tkhd, tkhd[0] ? 20 : 12), timescale: uint32(mdhd, mdhd[0] ? 20 : 12),
      video: ascii(mp4Find(trak, "mdia", "hdlr")[0], 8, 4) === "vide", codec: codecName(entry),
    };
  });
}

function codecName({ type, body }) {
  const inner = (name, skip) => mp4Find(body.subarray(skip), name)[0];
  const byte = (value) => value.toString(16).padStart(2, "0");
  if (type === "avc1" || type === "avc3") {
    return `${type}.${[...inner("avcC", 78).subarray(1, 4)].map(byte).join("")}`;
  }
  if (type === "hvc1" || type === "hev1") return `${type}.${hevcName(inner("hvcC", 78))}`;
  if (type === "Opus") return "opus";
  if (type === "mp4a") return "mp4a.40.2";
  return type;
}

function hevcName(record) { // ISO 14496-15, annex E: profile, compatibility in reverse bit order, tier and level
  let compatibility = 0;
  for (let bit = 0; bit < 32; bit++) compatibility = (compatibility << 1) | ((uint32(record, 2) >>> bit) & 1);
  const space = ["", "A", "B", "C"][record[1] >> 6], tier = record[1] & 0x20 ? "H" : "L";
  const constraints = [...record.subarray(6, 12)].map((value) => value.toString(16).toUpperCase());
  while (constraints.length && constraints.at(-1) === "0") constraints.pop();
  return [`${space}${record[1] & 31}`, (compatibility >>> 0).toString(16), `${tier}${record[12]}`, ...constraints].join(".");
}

const mp4Type = (tracks) => `video/mp4; codecs="${tracks.map((track) => track.codec).join(",")}"`;

// Seconds on the fragment's own time line at which its earliest picture is shown (of the first track without one).
function mp4StartSeconds(fragment, tracks) {
  const ofTracks = mp4Find(fragment, "moof", "traf").map((traf) => {
    const track = tracks.find((one) => one.id === uint32(mp4Find(traf, "tfhd")[0], 4));
    return { track, seconds: track ? earliestTime(traf) / track.timescale : 0 };
  }).filter((one) => one.track);
  const chosen = ofTracks.find((one) => one.track.video) ?? ofTracks[0];
  if (!chosen) throw new FormatFault("its film data names no track");
  return chosen.seconds;
}

function earliestTime(traf) {
  const tfhd = mp4Find(traf, "tfhd")[0], tfdt = mp4Find(traf, "tfdt")[0], tfhdFlags = uint32(tfhd, 0);
  const defaultAt = 8 + (tfhdFlags & 1 ? 8 : 0) + (tfhdFlags & 2 ? 4 : 0);
  const defaultDuration = tfhdFlags & 8 ? uint32(tfhd, defaultAt) : 0;
  let decode = tfdt[0] ? uint64(tfdt, 4) : uint32(tfdt, 4), earliest = Infinity;
  for (const trun of mp4Find(traf, "trun")) {
    const flags = uint32(trun, 0) & 0xffffff, count = uint32(trun, 4);
    let at = 8 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
    for (let sample = 0; sample < count; sample++) {
      const duration = flags & 0x100 ? uint32(trun, at) : defaultDuration;
      const offsetAt = at + 4 * [0x100, 0x200, 0x400].filter((bit) => flags & bit).length;
      const offset = flags & 0x800 ? viewOf(trun).getInt32(offsetAt) : 0;
      earliest = Math.min(earliest, decode + offset);
      decode += duration;
      at = offsetAt + (flags & 0x800 ? 4 : 0);
    }
  }
  return earliest;
}
