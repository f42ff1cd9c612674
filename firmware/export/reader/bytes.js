// Bytes: joining, comparing, numbers, text, and a file read by slices. Nothing here knows the format.

const utf8Encoder = new TextEncoder();
const utf8 = (text) => utf8Encoder.encode(text);
const fromUtf8 = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const sameBytes = (a, b) => a.length === b.length && a.every((value, i) => value === b[i]);
const hex = (bytes) => Array.from(bytes, (value) => value.toString(16).padStart(2, "0")).join("");

function fromHex(text) {
  if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw new Error("not hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

// RFC 4648, section 4, with padding; atob is more lenient than that.
function fromBase64(text) {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new Error("not base64");
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

const toBase64Url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const fromBase64Url = (text) => // its base64 without padding: complete it
  fromBase64(text.replace(/-/g, "+").replace(/_/g, "/").padEnd(4 * Math.ceil(text.length / 4), "="));

const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const uint16 = (bytes, at) => viewOf(bytes).getUint16(at);
const uint32 = (bytes, at) => viewOf(bytes).getUint32(at);
const uint64 = (bytes, at) => Number(viewOf(bytes).getBigUint64(at)); // exact to 2^53: no file and no count is larger
const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// A file larger than memory, read from the front: keeps one window of it. `at` gives bytes that stay valid until the
// next call; asking for more than the file has gives what there is.
class SlicedFile {
  constructor(file, windowBytes = 4 << 20) {
    this.file = file;
    this.size = file.size;
    this.windowBytes = windowBytes;
    this.start = 0;
    this.window = new Uint8Array(0);
  }

  async at(offset, length) {
    const end = Math.min(offset + length, this.size);
    if (offset < this.start || end > this.start + this.window.length) {
      this.window = await readSlice(this.file, offset, Math.max(length, this.windowBytes));
      this.start = offset;
    }
    return this.window.subarray(offset - this.start, Math.max(end - this.start, offset - this.start));
  }
}

async function readSlice(file, offset, length) {
  return new Uint8Array(await file.slice(offset, Math.min(offset + length, file.size)).arrayBuffer());
}
