// SHA3-256 and SHAKE256 (FIPS 202), which browsers lack and X-Wing needs. Short inputs only: speed does not matter.

const KECCAK_ROUNDS = 24, LANE = (1n << 64n) - 1n;
const rotatedLane = (lane, bits) => ((lane << BigInt(bits)) | (lane >> BigInt(64 - bits))) & LANE;

function keccakRound(a, constant) { // a: 25 lanes, a[x + 5 y]
  const column = [0, 1, 2, 3, 4].map((x) => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20]);
  const mixed = a.map((lane, i) => lane ^ column[(i + 4) % 5] ^ rotatedLane(column[(i + 1) % 5], 1));
  const moved = new Array(25);
  moved[0] = mixed[0];
  for (let t = 0, x = 1, y = 0; t < 24; t++) {
    const toX = y, toY = (2 * x + 3 * y) % 5;
    moved[toX + 5 * toY] = rotatedLane(mixed[x + 5 * y], ((t + 1) * (t + 2) / 2) % 64);
    [x, y] = [toX, toY];
  }
  for (let y = 0; y < 25; y += 5) {
    for (let x = 0; x < 5; x++) a[y + x] = moved[y + x] ^ (~moved[y + (x + 1) % 5] & LANE & moved[y + (x + 2) % 5]);
  }
  a[0] ^= constant;
}

// The 24 round constants come from an 8-bit shift register (FIPS 202, algorithm 5).
const keccakConstants = (() => {
  const constants = [];
  for (let round = 0, register = 1; round < KECCAK_ROUNDS; round++) {
    let constant = 0n;
    for (let j = 0; j < 7; j++) {
      if (register & 1) constant |= 1n << BigInt(2 ** j - 1);
      register = register & 0x80 ? ((register << 1) ^ 0x171) : register << 1;
    }
    constants.push(constant);
  }
  return constants;
})();

function keccak(input, rateBytes, suffix, outBytes) {
  const padded = new Uint8Array((Math.floor(input.length / rateBytes) + 1) * rateBytes);
  padded.set(input);
  padded[input.length] ^= suffix;
  padded[padded.length - 1] ^= 0x80;
  const state = new Array(25).fill(0n), view = viewOf(padded), out = new Uint8Array(outBytes);
  const permute = () => keccakConstants.forEach((constant) => keccakRound(state, constant));
  for (let at = 0; at < padded.length; at += rateBytes) {
    for (let lane = 0; lane < rateBytes / 8; lane++) state[lane] ^= view.getBigUint64(at + 8 * lane, true);
    permute();
  }
  for (let at = 0; at < outBytes; at++) {
    if (at && at % rateBytes === 0) permute();
    const place = at % rateBytes;
    out[at] = Number((state[place >> 3] >> BigInt(8 * (place & 7))) & 0xffn);
  }
  return out;
}

const sha3_256 = (input) => keccak(input, 136, 0x06, 32);
const shake256 = (input, outBytes) => keccak(input, 136, 0x1f, outBytes);
