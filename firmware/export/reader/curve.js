// The public point of a private scalar on P-256 and P-384 (SEC 2), which WebCrypto does not tell but its import of a key
// demands. The result is checked against the key's fingerprint, so a fault here cannot pass. Not constant in time: it
// runs once, on the owner's own machine.

const CURVES = {
  "P-256": {
    bytes: 32,
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    x: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
    y: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
  },
  "P-384": {
    bytes: 48,
    p: 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffffn,
    x: 0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n,
    y: 0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn,
  },
};

function inverseModulo(value, p) { // extended Euclid
  let [a, b, x, y] = [((value % p) + p) % p, p, 1n, 0n];
  while (b) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % p) + p) % p;
}

function addPoints(one, two, p) { // affine; null is the point at infinity; a = -3 on both curves
  if (!one || !two) return one ?? two;
  const [x1, y1] = one, [x2, y2] = two;
  if (x1 === x2 && (y1 + y2) % p === 0n) return null;
  const slope = x1 === x2
    ? (3n * x1 * x1 - 3n) * inverseModulo(2n * y1, p) : (y2 - y1) * inverseModulo(x2 - x1, p);
  const x = (((slope * slope - x1 - x2) % p) + p) % p;
  return [x, (((slope * (x1 - x) - y1) % p) + p) % p];
}

// The uncompressed point, 04 ‖ x ‖ y.
function publicPoint(curveName, scalarBytes) {
  const { bytes, p, x, y } = CURVES[curveName];
  let sum = null, doubled = [x, y];
  for (let scalar = BigInt(`0x${hex(scalarBytes)}`); scalar; scalar >>= 1n) {
    if (scalar & 1n) sum = addPoints(sum, doubled, p);
    doubled = addPoints(doubled, doubled, p);
  }
  if (!sum) throw new Error("this scalar is no key");
  return fromHex(`04${sum.map((value) => value.toString(16).padStart(2 * bytes, "0")).join("")}`);
}
