// scrypt (RFC 7914), which WebCrypto lacks: the passphrase of a private key. PBKDF2 is WebCrypto's; the rest runs in a
// worker, so that the page stays responsive. The functions below are sent to the worker as text: they use nothing else.

function salsa20_8(block) {
  const x = new Uint32Array(block);
  const turn = (to, a, b, bits) => {
    const sum = (x[a] + x[b]) | 0;
    x[to] ^= (sum << bits) | (sum >>> (32 - bits));
  };
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 4; i++) { // a column: from the diagonal down
      const a = 5 * i, b = (a + 4) % 16, c = (a + 8) % 16, d = (a + 12) % 16;
      turn(b, a, d, 7); turn(c, b, a, 9); turn(d, c, b, 13); turn(a, d, c, 18);
    }
    for (let i = 0; i < 4; i++) { // a row: from the diagonal to the right
      const row = 4 * i, a = row + i, b = row + (i + 1) % 4, c = row + (i + 2) % 4, d = row + (i + 3) % 4;
      turn(b, a, d, 7); turn(c, b, a, 9); turn(d, c, b, 13); turn(a, d, c, 18);
    }
  }
  for (let i = 0; i < 16; i++) block[i] += x[i];
}

function scryptBlockMix(from, to, r) { // both of 32 r words
  const x = from.slice(from.length - 16);
  for (let i = 0; i < 2 * r; i++) {
    for (let j = 0; j < 16; j++) x[j] ^= from[16 * i + j];
    salsa20_8(x);
    to.set(x, 16 * ((i >> 1) + (i & 1) * r));
  }
}

function scryptRoMix(words, n, r) { // in place, one block of 32 r little-endian words
  const size = 32 * r, table = new Uint32Array(size * n);
  let a = words.slice(), b = new Uint32Array(size);
  for (let i = 0; i < n; i++) {
    table.set(a, size * i);
    scryptBlockMix(a, b, r);
    [a, b] = [b, a];
  }
  for (let i = 0; i < n; i++) {
    const at = size * (a[size - 16] & (n - 1));
    for (let j = 0; j < size; j++) a[j] ^= table[at + j];
    scryptBlockMix(a, b, r);
    [a, b] = [b, a];
  }
  words.set(a);
}

function scryptWorkerMain() {
  onmessage = ({ data: { blocks, n, r, p } }) => {
    for (let i = 0; i < p; i++) scryptRoMix(blocks.subarray(32 * r * i, 32 * r * (i + 1)), n, r);
    postMessage(blocks);
  };
}

async function pbkdf2(password, salt, bytes) {
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: 1 };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 8 * bytes));
}

// 32 bytes. All machines that run a browser are little-endian, as scrypt's words are.
async function scrypt(password, salt, log2N, r, p) {
  const n = 2 ** log2N;
  if (!(log2N >= 1 && r >= 1 && p >= 1 && 128 * n * r <= 2 ** 30 && 128 * r * p <= 2 ** 26)) {
    throw new Error("its scrypt parameters are out of bounds");
  }
  const blocks = new Uint32Array((await pbkdf2(password, salt, 128 * r * p)).buffer);
  const parts = [salsa20_8, scryptBlockMix, scryptRoMix, scryptWorkerMain].map(String);
  const address = URL.createObjectURL(new Blob([`"use strict";${parts.join("\n")}\nscryptWorkerMain();`],
    { type: "text/javascript" }));
  const worker = new Worker(address);
  try {
    const mixed = await new Promise((resolve, reject) => {
      worker.onmessage = (event) => resolve(event.data);
      worker.onerror = (event) => reject(new Error(`the passphrase could not be worked on: ${event.message}`));
      worker.postMessage({ blocks, n, r, p }, [blocks.buffer]);
    });
    return await pbkdf2(password, new Uint8Array(mixed.buffer), 32);
  } finally {
    worker.terminate();
    URL.revokeObjectURL(address);
  }
}
