#!/usr/bin/env python3
"""Independent oracle for the known-answer tests of the crate `ibpre`.

Plain Python 3, standard library only; it shares no code with the crate and was written from the
description of the scheme (docs/scheme.md). It reads a file of given keys and randomness (written by
the crate, since making an NTRU trapdoor is outside the oracle) and recomputes everything else:
HashToRq, every hash, K32, encapsulate, decapsulate, the noise E, reencrypt, open.

    python3 oracle.py vectors/keys-A.json > vectors/A.json

The floating point of E comes from this platform's libm instead of the crate's pinned one. The two can
differ in the last place, so the oracle refuses any vector in which a value to be rounded lies within
1e-6 of a tie: a difference of 1e-10 then changes no integer.
"""
import hashlib
import json
import math
import sys

SETS = {
    "A": dict(code=1, n=1024, q=1032193, qbits=20, shift=14, rkbits=15, sigma=16384,
              norm=5901805774, energy=14365191540736, copies=1),
    "B": dict(code=2, n=2048, q=2056193, qbits=21, shift=15, rkbits=16, sigma=65536,
              norm=24003397552, energy=144564199129088, copies=2),
}


# --- ChaCha20 (RFC 8439), written out ---
def chacha20_block(key, counter):
    def rot(v, r):
        return ((v << r) | (v >> (32 - r))) & 0xFFFFFFFF

    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    state += [int.from_bytes(key[4 * i:4 * i + 4], "little") for i in range(8)]
    state += [counter, 0, 0, 0]
    x = list(state)

    def quarter(a, b, c, d):
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF; x[d] = rot(x[d] ^ x[a], 16)
        x[c] = (x[c] + x[d]) & 0xFFFFFFFF; x[b] = rot(x[b] ^ x[c], 12)
        x[a] = (x[a] + x[b]) & 0xFFFFFFFF; x[d] = rot(x[d] ^ x[a], 8)
        x[c] = (x[c] + x[d]) & 0xFFFFFFFF; x[b] = rot(x[b] ^ x[c], 7)

    for _ in range(10):
        quarter(0, 4, 8, 12); quarter(1, 5, 9, 13); quarter(2, 6, 10, 14); quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15); quarter(1, 6, 11, 12); quarter(2, 7, 8, 13); quarter(3, 4, 9, 14)
    return b"".join(((a + b) & 0xFFFFFFFF).to_bytes(4, "little") for a, b in zip(x, state))


def xof(seed, length):
    blocks = (length + 63) // 64
    return b"".join(chacha20_block(seed, i) for i in range(blocks))[:length]


class Scheme:
    def __init__(self, name):
        self.name = name
        self.__dict__.update(SETS[name])

    def hash(self, label, *inputs, out=32):
        data = b"medshare/ibpre/v1/" + self.name.encode() + b"/" + label.encode() + b"\0"
        for item in inputs:
            data += len(item).to_bytes(8, "little") + item
        return hashlib.shake_256(data).digest(out)

    # --- bytes ---
    @staticmethod
    def pack(values, bits):
        number = 0
        for i, v in enumerate(values):
            number |= (v & ((1 << bits) - 1)) << (i * bits)
        return number.to_bytes(len(values) * bits // 8, "little")

    def unpack(self, data, bits):
        number, mask = int.from_bytes(data, "little"), (1 << bits) - 1
        return [(number >> (i * bits)) & mask for i in range(self.n)]

    def unpack_signed(self, data, bits):
        return [v - ((v >> (bits - 1)) << bits) for v in self.unpack(data, bits)]

    def header(self, kind):
        return bytes([1, self.code * 16 + kind])

    def body(self, data, kind):
        assert data[:2] == self.header(kind), "header"
        return data[2:]

    # --- R_q: products by one big-integer multiplication (Kronecker), 64-bit slots ---
    def mul(self, a, b):
        q, n = self.q, self.n
        pa = int.from_bytes(b"".join((x % q).to_bytes(8, "little") for x in a), "little")
        pb = int.from_bytes(b"".join((x % q).to_bytes(8, "little") for x in b), "little")
        data = (pa * pb).to_bytes(16 * n, "little")
        c = [int.from_bytes(data[8 * i:8 * i + 8], "little") for i in range(2 * n)]
        return [(c[i] - c[i + n]) % q for i in range(n)]

    def centre(self, v):
        v %= self.q
        return v - self.q if v > self.q // 2 else v

    def hash_to_rq(self, seed):
        out, stream = [], xof(seed, 3 * self.n + 1536)
        for i in range(0, len(stream), 3):
            v = int.from_bytes(stream[i:i + 3], "little") & ((1 << self.qbits) - 1)
            if v < self.q:
                out.append(v)
        assert len(out) >= self.n
        return out[:self.n]

    def compress(self, v):
        return (v % self.q + (1 << (self.shift - 1))) >> self.shift

    def decompress(self, c):
        return (c << self.shift) % self.q

    # --- K32, by its definition ---
    @staticmethod
    def codeword(byte):
        b = [byte >> i & 1 for i in range(8)]
        word = []
        for x in range(32):
            v = [x >> i & 1 for i in range(5)]
            f = b[0] + sum(b[1 + i] * v[i] for i in range(5))
            f += b[6] * (v[0] * v[1] + v[2] * v[3]) + b[7] * (v[1] * v[2] + v[3] * v[4])
            word.append(f % 2)
        return word

    def encode(self, message):
        out = [0] * self.n
        for copy in range(self.copies):
            for k, byte in enumerate(message):
                for x, bit in enumerate(self.codeword(byte)):
                    out[1024 * copy + 32 * x + k] = bit * (self.q // 2)
        return out

    def decode(self, w):
        """Largest correlation over all 256 codewords, one by one."""
        words = [[1 - 2 * bit for bit in self.codeword(byte)] for byte in range(256)]
        out = []
        for k in range(32):
            t = [sum(self.q // 4 - abs(self.centre(w[1024 * c + 32 * x + k]))
                     for c in range(self.copies)) for x in range(32)]
            score = [sum(a * b for a, b in zip(t, word)) for word in words]
            best = max(score)
            assert score.count(best) == 1, "tie"
            out.append(score.index(best))
        return bytes(out)

    # --- the verbs ---
    def encrypt(self, h, u, message, coins):
        n, stream = self.n, xof(coins, 3 * self.n)
        tern = [(0, 1, -1)[(3 * b) >> 8] for b in stream]
        r, x, x_prime = tern[:n], tern[n:2 * n], tern[2 * n:]
        y = [(a + b) % self.q for a, b in zip(self.mul(h, r), x)]
        v = [a + b + c for a, b, c in zip(self.mul(u, r), x_prime, self.encode(message))]
        return y, [self.compress(c) for c in v]

    def encapsulate(self, h, pkh, sid, u, message):
        g = self.hash("G", pkh, sid, message, out=64)
        y, c1 = self.encrypt(h, u, message, g[32:])
        packed = self.pack(y, self.qbits) + self.pack(c1, 6)
        ctid = self.hash("ct", pkh, sid, packed)
        return g, y, c1, packed, ctid, self.hash("K", g[:32], ctid)

    def noise(self, seed):
        stream, out = xof(seed, 12 * self.n), []
        for i in range(self.n // 2):
            draw = stream[24 * i:24 * i + 24]
            a, b = int.from_bytes(draw[:16], "little"), int.from_bytes(draw[16:], "little")
            radius = self.sigma * math.sqrt(-2.0 * math.log(float(a + 1) * 2.0 ** -128))
            angle = 2.0 * math.pi * (float(b) * 2.0 ** -64)
            for value in (radius * math.cos(angle), radius * math.sin(angle)):
                assert abs(value - math.floor(value) - 0.5) > 1e-6, "too near a tie"
                out.append(round(value))
        return out

    def message_of(self, c, key, y):
        """K32dec(Decompress(c) - key*y), and the noisy word it came from."""
        w = [(self.decompress(a) - b) % self.q for a, b in zip(c, self.mul(key, y))]
        return self.decode(w), w

    def is_key(self, h, u, s2):
        s1 = [self.centre(a - b) for a, b in zip(u, self.mul(h, s2))]
        return sum(c * c for c in s1 + s2) <= self.norm


def run(given):
    s = Scheme(given["set"])
    data = {k: bytes.fromhex(v) for k, v in given.items() if k != "set"}
    h = s.unpack(s.body(data["public_params"], 1), s.qbits)
    e1 = s.unpack_signed(s.body(data["user_key"], 3), 15)
    e2 = s.unpack_signed(s.body(data["grant_key"], 5), 15)
    pkh = s.hash("pk", s.pack(h, s.qbits))
    sid = s.hash("sid", data["description"])
    terms = s.hash("terms", data["terms"])
    gid = s.hash("gid", data["chain_id"], sid, data["requester"], data["one_time_key_hash"],
                 data["grant_salt"], terms)
    u, u_g = s.hash_to_rq(s.hash("u", pkh, sid)), s.hash_to_rq(s.hash("u", pkh, gid))
    assert s.is_key(h, u, e1) and s.is_key(h, u_g, e2), "keys"

    g, y, c1, packed, ctid, secret = s.encapsulate(h, pkh, sid, u, data["message"])

    # The delegator opens it by the re-encryption check.
    message, _ = s.message_of(c1, e1, y)
    assert message == data["message"]
    assert s.encapsulate(h, pkh, sid, u, message)[3] == packed
    # One bit flipped: implicit rejection.
    broken = bytes([packed[0] ^ 1]) + packed[1:]
    by = s.unpack(broken[:len(broken) - s.n * 6 // 8], s.qbits)
    bm, _ = s.message_of(c1, e1, by)
    assert by[0] < s.q and s.encapsulate(h, pkh, sid, u, bm)[3] != broken
    rejected = s.hash("rej", data["z"], s.hash("ct", pkh, sid, broken))

    # The proxy.
    rk = [a - b for a, b in zip(e1, e2)]
    assert all(-(1 << (s.rkbits - 1)) <= c < 1 << (s.rkbits - 1) for c in rk)
    rk_packed = s.pack(rk, s.rkbits)
    noise = s.noise(s.hash("E", data["noise_key"], gid, ctid))
    c2 = [s.compress(s.decompress(c) - p + e) for c, p, e in zip(c1, s.mul(rk, y), noise)]
    c2_packed = s.pack(c2, 6)

    # The delegatee, with every check.
    message, w = s.message_of(c2, e2, y)
    assert message == data["message"]
    energy = sum(s.centre(a - b) ** 2 for a, b in zip(w, s.encode(message)))
    assert energy <= s.energy

    out = dict(
        set=s.name, pkh=pkh, sid=sid, terms_hash=terms, gid=gid,
        target=s.pack(u, s.qbits), coins=g, codeword=s.pack([int(c > 0) for c in s.encode(message)], 1),
        capsule=s.header(4) + packed, ctid=ctid, shared_secret=secret, rejected_secret=rejected,
        reencryption_key=s.header(6) + rk_packed,
        commitment=s.hash("com", gid, data["agent"], rk_packed, data["noise_key"],
                          data["commitment_salt"]),
        reencrypted=s.header(7) + c2_packed, reencrypted_hash=s.hash("c2", c2_packed),
        dem=s.hash("dem", secret, pkh, sid, ctid, out=64), body=s.hash("body", data["cek"], out=96),
    )
    out = {k: v.hex() if isinstance(v, bytes) else v for k, v in out.items()}
    out["noise"] = noise
    out["open_noise_energy"] = energy
    return out


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as source:
        result = run(json.load(source))
    lines = ["  %s: %s" % (json.dumps(k), json.dumps(v)) for k, v in result.items()]
    print("{\n" + ",\n".join(lines) + "\n}")
