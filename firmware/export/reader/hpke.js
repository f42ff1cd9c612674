// Opening a wrapped content key: HPKE base mode (RFC 9180) with HKDF-SHA256 and AES-256-GCM, for the three kinds of
// archive key. ML-KEM and X25519 are the browser's; where it has none, `kemMissing` says so.

const HPKE_VERSION = utf8("HPKE-v1");
const KEMS = {
  "P256": { id: 0x0010, encBytes: 65, bodyBytes: 32, open: openP256, needs: [] },
  "MLKEM768-X25519": { id: 0x647a, encBytes: 1120, bodyBytes: 32, open: openXWing, needs: ["ML-KEM-768"] },
  "MLKEM1024-P384": { id: 0x0051, encBytes: 1665, bodyBytes: 112, open: openMlKem1024P384, needs: ["ML-KEM-1024"] },
};
const NO_BYTES = new Uint8Array(0);
const twoBytes = (value) => Uint8Array.of(value >> 8, value & 255);

// Can this browser open what is wrapped for a key of this kind?
function canOpen(kem) {
  const supports = (name) => globalThis.SubtleCrypto?.supports?.("decapsulateBits", name) ?? false;
  return KEMS[kem] !== undefined && KEMS[kem].needs.every(supports);
}

async function hmacSha256(key, data) {
  // WebCrypto takes no empty key; HMAC fills a short one with zeros, so 32 zeros are the same.
  const imported = await crypto.subtle.importKey("raw", key.length ? key : new Uint8Array(32),
    { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

const labeledExtract = (suite, salt, label, input) =>
  hmacSha256(salt, joined(HPKE_VERSION, suite, utf8(label), input));

async function labeledExpand(suite, secret, label, info, length) { // length at most 32: one block of HKDF-Expand
  const labeled = joined(twoBytes(length), HPKE_VERSION, suite, utf8(label), info);
  return (await hmacSha256(secret, joined(labeled, Uint8Array.of(1)))).subarray(0, length);
}

// DHKEM(P-256, HKDF-SHA256), RFC 9180 section 4.1. The private body is the scalar.
async function openP256(scalar, enc) {
  const publicKey = publicPoint("P-256", scalar);
  const shared = await ecdh("P-256", scalar, publicKey, enc);
  const suite = joined(utf8("KEM"), twoBytes(0x0010));
  const extracted = await labeledExtract(suite, NO_BYTES, "eae_prk", shared);
  return labeledExpand(suite, extracted, "shared_secret", joined(enc, publicKey), 32);
}

async function ecdh(curve, scalar, publicKey, otherPublicKey) {
  const size = CURVES[curve].bytes;
  const jwk = {
    kty: "EC", crv: curve, d: toBase64Url(scalar), x: toBase64Url(publicKey.subarray(1, 1 + size)), y: toBase64Url(publicKey.subarray(1 + size)),
  };
  const how = { name: "ECDH", namedCurve: curve };
  const own = await crypto.subtle.importKey("jwk", jwk, how, false, ["deriveBits"]);
  const other = await crypto.subtle.importKey("raw", otherPublicKey, how, false, []);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: other }, own, 8 * size));
}

// Both hybrids join a post-quantum and a classical secret by SHA3-256 (draft-irtf-cfrg-hybrid-kems, "C2PRI combiner");
// the label is the kind's own (draft-irtf-cfrg-concrete-hybrid-kems, and for X-Wing draft-connolly-cfrg-xwing-kem).
const hybridSecret = (postQuantum, classical, theirPublic, ownPublic, label) =>
  sha3_256(joined(postQuantum, classical, theirPublic, ownPublic, utf8(label)));

async function openMlKem(name, seed, ciphertext) {
  const key = await crypto.subtle.importKey("raw-seed", seed, { name }, false, ["decapsulateBits"]);
  return new Uint8Array(await crypto.subtle.decapsulateBits({ name }, key, ciphertext));
}

// X-Wing. The private body is its seed.
async function openXWing(seed, enc) {
  const expanded = shake256(seed, 96), theirs = enc.subarray(1088);
  const postQuantum = await openMlKem("ML-KEM-768", expanded.subarray(0, 64), enc.subarray(0, 1088));
  const pkcs8 = joined(fromHex("302e020100300506032b656e04220420"), expanded.subarray(64)); // RFC 8410
  const own = await crypto.subtle.importKey("pkcs8", pkcs8, "X25519", true, ["deriveBits"]);
  const ownPublic = fromBase64Url((await crypto.subtle.exportKey("jwk", own)).x);
  const other = await crypto.subtle.importKey("raw", theirs, "X25519", false, []);
  const classical = await crypto.subtle.deriveBits({ name: "X25519", public: other }, own, 256);
  return hybridSecret(postQuantum, new Uint8Array(classical), theirs, ownPublic, "\\.//^\\");
}

// The private body is ML-KEM-1024's seed and the P-384 scalar.
async function openMlKem1024P384(body, enc) {
  const scalar = body.subarray(64), ownPublic = publicPoint("P-384", scalar), theirs = enc.subarray(1568);
  const postQuantum = await openMlKem("ML-KEM-1024", body.subarray(0, 64), enc.subarray(0, 1568));
  const classical = await ecdh("P-384", scalar, ownPublic, theirs);
  return hybridSecret(postQuantum, classical, theirs, ownPublic, "MLKEM1024-P384");
}

// The plaintext of `wrapped` = enc ‖ ciphertext; rejects when it was not made for this key and this info.
async function hpkeOpen(kem, privateBody, wrapped, info) {
  const { id, encBytes, open } = KEMS[kem];
  const enc = wrapped.subarray(0, encBytes), suite = joined(utf8("HPKE"), twoBytes(id), twoBytes(1), twoBytes(2));
  const shared = await open(privateBody, enc);
  const pskHash = await labeledExtract(suite, NO_BYTES, "psk_id_hash", NO_BYTES);
  const infoHash = await labeledExtract(suite, NO_BYTES, "info_hash", info);
  const context = joined(Uint8Array.of(0), pskHash, infoHash);
  const secret = await labeledExtract(suite, shared, "secret", NO_BYTES);
  const key = await aesKey(await labeledExpand(suite, secret, "key", context, 32));
  const nonce = await labeledExpand(suite, secret, "base_nonce", context, 12);
  return openGcm(key, nonce, NO_BYTES, wrapped.subarray(encBytes));
}

const aesKey = (bytes) => crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["decrypt"]);

async function openGcm(key, nonce, associated, ciphertext) {
  const how = { name: "AES-GCM", iv: nonce, additionalData: associated, tagLength: 128 };
  return new Uint8Array(await crypto.subtle.decrypt(how, key, ciphertext));
}
