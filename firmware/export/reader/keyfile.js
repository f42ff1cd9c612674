// What else is dropped beside the recording: an archive's private key, a key envelope, a list of trusted devices. From
// docs/recording-format.md, "Key files" and "Opening".

const PRIVATE_KEY_MARK = "-----BEGIN SCRUBCAM ARCHIVE PRIVATE KEY-----";

// {kem, keyId, protection, salt, scrypt, body}; the body is still locked when protection is not "none".
function parsePrivateKey(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const begin = lines.indexOf(PRIVATE_KEY_MARK), end = lines.indexOf(PRIVATE_KEY_MARK.replace("BEGIN", "END"));
  const blank = lines.indexOf("", begin);
  if (begin < 0 || end < 0 || blank < 0 || blank > end) throw new Error("The key file is not whole.");
  const fields = {};
  for (const line of lines.slice(begin + 1, blank)) {
    const colon = line.indexOf(":");
    fields[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  const key = {
    kem: fields.kem, keyId: fields["key-id"], protection: fields.protection,
    body: fromBase64(lines.slice(blank + 1, end).join("")),
  };
  if (key.protection === "scrypt-aes-256-gcm") {
    key.salt = fromHex(fields.salt);
    key.scrypt = fields.scrypt.split(/\s+/).map(Number);
  } else if (key.protection !== "none") {
    throw new Error(`The key file is protected in a way that this page does not know: ${key.protection}.`);
  }
  return key;
}

// The private body. Throws WrongPassphrase, and Error for a key that is not what its file says.
class WrongPassphrase extends Error {}

async function unlockPrivateKey(key, passphrase) {
  let body = key.body;
  if (key.protection !== "none") {
    const secret = await aesKey(await scrypt(utf8(passphrase), key.salt, ...key.scrypt));
    try {
      body = await openGcm(secret, new Uint8Array(12), utf8(key.keyId), key.body);
    } catch {
      throw new WrongPassphrase("The passphrase does not open this key.");
    }
  }
  if (body.length !== KEMS[key.kem].bodyBytes) throw new Error("The key file is damaged: its key has a wrong length.");
  if (key.kem === "P256" && await fingerprint(publicPoint("P-256", body)) !== key.keyId) {
    throw new Error("The key file is damaged: its key is not the one it names.");
  }
  return body;
}

// The content key out of a key envelope's bytes, for the recording of `header`. Throws Error in words for a person.
async function contentKey(envelopeBytes, header, key, body) {
  const envelope = jsonObject(envelopeBytes, "the key envelope");
  const entry = (envelope.recipients ?? []).find((one) => one.kem === key.kem && one.key_id === key.keyId);
  if (!entry) {
    const others = header.recipients.map((one) => `${one.role} ${one.key_id}`).join(", ");
    throw new Error(`This recording was not sealed for this key. It opens with: ${others}.`);
  }
  const info = joined(utf8(`scrubcam content key v2\0${header.recording_id}\0`), header.devicePublicKey);
  try {
    return await aesKey(await hpkeOpen(key.kem, body, fromBase64(entry.wrapped), info));
  } catch {
    throw new Error("The key is the right one by its name, but it does not open this recording.");
  }
}

// {private data, blob} of an encrypted record's frame; `before` is the 32 bytes of the chain value before it.
async function openRecord(contentCryptoKey, head, before, frame) {
  const nonce = joined(new Uint8Array(4), frame.subarray(8, 16));
  const associated = joined(before, frame.subarray(0, head.headLength));
  const ciphertext = frame.subarray(head.headLength, head.headLength + head.payloadLength);
  const plain = await openGcm(contentCryptoKey, nonce, associated, ciphertext);
  const length = uint32(plain, 0);
  if (length > plain.length - 4) throw new FormatFault("its content is not readable");
  return { told: jsonObject(plain.subarray(4, 4 + length), "its content"), blob: plain.subarray(4 + length) };
}

// Fingerprints of the devices in a list: fingerprints, and public keys in PEM; lines that begin with # are comments.
async function parseTrustList(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
  const trusted = new Set(lines.filter((line) => /^[0-9a-f]{8}(-[0-9a-f]{8}){3}$/.test(line)));
  const pems = lines.join("\n").matchAll(/-----BEGIN PUBLIC KEY-----([^-]*)-----END PUBLIC KEY-----/g);
  for (const [, body] of pems) {
    const der = fromBase64(body.replace(/\s/g, ""));
    trusted.add(await fingerprint(der.subarray(der.length - 32))); // an Ed25519 SubjectPublicKeyInfo ends with the key
  }
  return trusted;
}

// What a dropped file is, by its first bytes: recording, key, public key, envelope, devices, or "".
async function kindOfFile(file) {
  const start = await readSlice(file, 0, 4096);
  if (start.length >= 8 && sameBytes(start.subarray(0, 8), MAGIC)) return "recording";
  const text = new TextDecoder().decode(start);
  if (text.includes(PRIVATE_KEY_MARK)) return "key";
  if (text.includes(PRIVATE_KEY_MARK.replace("PRIVATE", "PUBLIC"))) return "public key";
  if (/^\s*\{/.test(text) && text.includes('"wrapped"')) return "envelope";
  if (/^[0-9a-f]{8}(-[0-9a-f]{8}){3}\s*$/m.test(text) || text.includes("-----BEGIN PUBLIC KEY-----")) return "devices";
  return file.name.endsWith(".scrub") ? "recording" : "";
}
