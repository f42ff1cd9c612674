// The sealed file's structures, from docs/recording-format.md: bytes in, values out, no file and no key. A place that is
// not as the specification says throws a FormatFault.

const MAGIC = Uint8Array.of(0x89, 0x53, 0x43, 0x52, 0x55, 0x42, 0x0d, 0x0a);
const PREAMBLE_BYTES = 16, SIGNATURE_BYTES = 64, CHAIN_BYTES = 32, HEAD_BYTES = 24, TAG_BYTES = 16;
const MAX_JSON_BYTES = 1048576, MAX_PAYLOAD_BYTES = 134217728, MAX_ATTACHMENT_BYTES = 16777216;
const ATTACHMENT_HEAD_BYTES = 12, ATTACHMENT_EXTRA_BYTES = 52;
const ENCRYPTED = 1, CRITICAL = 2;
const CONSENT = 1, STREAM = 2, FRAGMENT = 3, BOOKMARK = 4, STATE_CHANGE = 5, GAP = 6, NOTE = 7;
const SIGNATURE = 256, END = 257, INDEX = 258;
const KEY_ENVELOPE = 1, TIMESTAMP = 2;
const ENVELOPE_START = Uint8Array.of(0x53, 0x41, 0x54, 0x54, 0, KEY_ENVELOPE, 0, 0);
const TYPE_NAMES = {
  [CONSENT]: "consent", [STREAM]: "stream", [FRAGMENT]: "fragment", [BOOKMARK]: "bookmark",
  [STATE_CHANGE]: "state change", [GAP]: "gap", [NOTE]: "note", [SIGNATURE]: "signature", [END]: "end",
  [INDEX]: "index",
};
const FLAGS_OF = { [SIGNATURE]: CRITICAL, [END]: CRITICAL, [INDEX]: 0 };

// `unknown` is true for what a newer version may have written, as against damage. `short`: the file ends within it.
class FormatFault extends Error {
  constructor(text, { unknown = false, short = false } = {}) {
    super(text);
    this.unknown = unknown;
    this.short = short;
  }
}

// Integers beyond 2^53 (a device's clock after 104 days) are rounded by at most 1 in 2^53: under a microsecond in a
// century, which matters to no check here.
function jsonObject(bytes, what) {
  let value;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch {
    throw new FormatFault(`${what} is not readable`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new FormatFault(`${what} is no object`);
  return value;
}

// The length of the header, from the first 16 bytes.
function headerLength(preamble) {
  if (preamble.length < MAGIC.length || !sameBytes(preamble.subarray(0, 8), MAGIC)) {
    throw new FormatFault("this is not a sealed Scrubcam recording");
  }
  if (preamble.length < PREAMBLE_BYTES) throw new FormatFault("the file ends within its header", { short: true });
  const version = uint16(preamble, 8), flags = uint16(preamble, 10), length = uint32(preamble, 12);
  if (version !== 2) throw new FormatFault(`format version ${version}; this page reads version 2`, { unknown: true });
  if (flags !== 0) throw new FormatFault(`unknown flags ${flags} in the preamble`, { unknown: true });
  if (length > MAX_JSON_BYTES) throw new FormatFault("the header's length is out of bounds");
  return length;
}

function parseHeader(bytes) {
  const header = jsonObject(bytes, "the header");
  const idIsGood = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(header.recording_id ?? "");
  if (!idIsGood) throw new FormatFault("the header's recording_id is not one");
  if (header.suite !== "AES-256-GCM/SHA-256/Ed25519") {
    throw new FormatFault(`unknown suite ${header.suite}`, { unknown: true });
  }
  let publicKey;
  try {
    publicKey = fromBase64(header.device.public_key);
  } catch {
    throw new FormatFault("the header names no device key");
  }
  if (publicKey.length !== 32) throw new FormatFault("the header's device key is not 32 bytes");
  return { ...header, devicePublicKey: publicKey };
}

// The 24 bytes before the public data. `available` bytes are left in the file from the frame's first byte.
function parseFrameHead(bytes, available) {
  if (bytes.length >= 4 && ascii(bytes, 0, 4) !== "SREC") throw new FormatFault("no record begins here");
  if (bytes.length < HEAD_BYTES) throw new FormatFault("the file ends within it", { short: true });
  const head = {
    type: uint16(bytes, 4), flags: uint16(bytes, 6), number: uint64(bytes, 8),
    publicLength: uint32(bytes, 16), payloadLength: uint32(bytes, 20),
  };
  if (head.publicLength > MAX_JSON_BYTES || head.payloadLength > MAX_PAYLOAD_BYTES) {
    throw new FormatFault("its lengths are out of bounds");
  }
  head.headLength = HEAD_BYTES + head.publicLength;
  head.length = head.headLength + head.payloadLength + CHAIN_BYTES;
  if (head.length > available) throw new FormatFault("the file ends within it", { short: true });
  return head;
}

// What the table of types demands, once the chain has proven the bytes. Gives the public data.
function checkRecord(head, publicBytes) {
  const known = TYPE_NAMES[head.type] !== undefined;
  if (head.flags & ~(ENCRYPTED | CRITICAL)) throw new FormatFault("it has a flag that is not known", { unknown: true });
  if (known && head.flags !== (FLAGS_OF[head.type] ?? ENCRYPTED)) throw new FormatFault("its flags are not those of its type");
  if (!known && head.flags & CRITICAL) {
    throw new FormatFault(`it is of type ${head.type}, which must be understood to go on`, { unknown: true });
  }
  const signed = head.type === SIGNATURE || head.type === END;
  if ((signed && head.payloadLength !== SIGNATURE_BYTES) || (head.type === INDEX && head.payloadLength !== 0)
      || (head.flags & ENCRYPTED && head.payloadLength < TAG_BYTES + 4)) {
    throw new FormatFault("its payload has a length that its type cannot have");
  }
  const told = jsonObject(publicBytes, "its public data");
  if (head.type === FRAGMENT && told.clean + told.masked + told.blanked !== told.frames) {
    throw new FormatFault("its frames do not add up");
  }
  return told;
}

// One attachment, given the bytes from its start to the end of the file (or more than it needs of them).
function attachmentLength(bytes, available) {
  if (bytes.length < ATTACHMENT_HEAD_BYTES || ascii(bytes, 0, 4) !== "SATT") {
    throw new FormatFault("something stands behind the end that is no attachment");
  }
  const length = uint32(bytes, 8);
  if (length > MAX_ATTACHMENT_BYTES || length + ATTACHMENT_EXTRA_BYTES > available) {
    throw new FormatFault("an attachment is not whole");
  }
  return length + ATTACHMENT_EXTRA_BYTES;
}

async function parseAttachment(bytes) {
  const end = bytes.length - 40, type = uint16(bytes, 4);
  if (uint32(bytes, bytes.length - 8) !== bytes.length || ascii(bytes, bytes.length - 4, 4) !== "TTAS") {
    throw new FormatFault("an attachment's footer is wrong");
  }
  if (!sameBytes(await sha256(bytes.subarray(0, end)), bytes.subarray(end, end + 32))) {
    throw new FormatFault("an attachment was changed: its digest does not hold");
  }
  if (uint16(bytes, 6) !== 0) throw new FormatFault("an attachment has unknown flags", { unknown: true });
  return { type, payload: bytes.slice(ATTACHMENT_HEAD_BYTES, end) };
}

// An archive key's or a device's fingerprint: of its raw public key.
async function fingerprint(publicKey) {
  return hex((await sha256(publicKey)).subarray(0, 16)).match(/.{8}/g).join("-");
}
