#!/usr/bin/env python3
"""Verifies an anchored proof file of medshare, offline, with nothing but Python's standard library.

It shares no code with medshare: written from docs/anchors.md, RFC 9162, RFC 8032 with ZIP 215, the DAG-CBOR
specification, Ethereum's yellow paper (RLP, the Merkle Patricia trie, Keccak), and for Bitcoin and EOS from SEC 1 and 2
and the formats that their nodes agree on. Numbers are ordinary Python integers: slow, and not for secrets.

  verify.py FILE --genesis FILE --network NUMBER --contract ADDRESS --block HASH [--block HASH ...]
  verify.py FILE --genesis FILE --payer ADDRESS --block HASH [--block HASH ...]
  verify.py FILE --genesis FILE --payer ACCOUNT --block ID [--block ID ...]

Exit code 0 and a JSON object: every link holds. Exit code 1 and "broken link: NAME: why": the first that does not.
"""

import argparse
import hashlib
import json
import sys


class Broken(Exception):
    def __init__(self, link, reason):
        super().__init__(f"broken link: {link}: {reason}")


def need(holds, link, reason):
    if not holds:
        raise Broken(link, reason)


# --- DAG-CBOR -------------------------------------------------------------------------------------------------------


class Cid(bytes):
    """The binary form, without the zero that DAG-CBOR puts before it."""


def cbor_head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for code, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * length):
            return bytes([major << 5 | code]) + number.to_bytes(length, "big")
    raise ValueError("number too large")


def cbor(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return cbor_head(0, value) if value >= 0 else cbor_head(1, -1 - value)
    if isinstance(value, Cid):
        return b"\xd8\x2a" + cbor(b"\x00" + bytes(value))
    if isinstance(value, bytes):
        return cbor_head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return cbor_head(3, len(text)) + text
    if isinstance(value, list):
        return cbor_head(4, len(value)) + b"".join(cbor(item) for item in value)
    pairs = sorted(((key.encode(), item) for key, item in value.items()), key=lambda pair: (len(pair[0]), pair[0]))
    return cbor_head(5, len(pairs)) + b"".join(cbor(key.decode()) + cbor(item) for key, item in pairs)


def uncbor_at(data, at, depth=0):
    if depth > 64:
        raise ValueError("nested too deep")
    first = data[at]
    major, low = first >> 5, first & 31
    at += 1
    if major == 7:
        return {0xF4: False, 0xF5: True, 0xF6: None}[first], at
    if low < 24:
        number = low
    else:
        length = {24: 1, 25: 2, 26: 4, 27: 8}[low]
        number = int.from_bytes(data[at : at + length], "big")
        at += length
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major in (2, 3):
        value = data[at : at + number]
        if len(value) != number:
            raise ValueError("it ends too early")
        return (value if major == 2 else value.decode()), at + number
    if major == 4:
        if number > len(data):
            raise ValueError("it ends too early")
        items = []
        for _ in range(number):
            item, at = uncbor_at(data, at, depth + 1)
            items.append(item)
        return items, at
    if major == 5:
        if number > len(data):
            raise ValueError("it ends too early")
        entries = {}
        for _ in range(number):
            key, at = uncbor_at(data, at, depth + 1)
            entries[key], at = uncbor_at(data, at, depth + 1)
        return entries, at
    inner, at = uncbor_at(data, at, depth + 1)
    if number != 42 or not isinstance(inner, bytes) or inner[:1] != b"\x00":
        raise ValueError("a tag that is no CID")
    return Cid(inner[1:]), at


def uncbor(data, link):
    """The value of canonical bytes; any other spelling of it is refused."""
    try:
        value, end = uncbor_at(data, 0)
        same = end == len(data) and cbor(value) == data
    except (ValueError, IndexError, KeyError, AttributeError, TypeError, RecursionError, OverflowError) as error:
        raise Broken(link, f"no DAG-CBOR: {error!r}") from None
    need(same, link, "not in canonical form")
    return value


# --- the ledger's log, RFC 9162 -------------------------------------------------------------------------------------


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(entry, index, size, path):
    """2.1.3.2: the root that an inclusion proof leads to, or nothing if its shape is impossible."""
    if index >= size:
        return None
    at, last, node = index, size - 1, sha256(b"\x00", entry)
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = sha256(b"\x01", sibling, node)
            while at & 1 == 0 and at != 0:
                at >>= 1
                last >>= 1
        else:
            node = sha256(b"\x01", node, sibling)
        at >>= 1
        last >>= 1
    return node if last == 0 else None


# --- Ed25519 under ZIP 215 ------------------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def point(data):
    """Decodes a point; y need not be reduced and x = 0 may have either sign (ZIP 215)."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, (number & (2**255 - 1)) % P
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * SQRT_M1 % P
    if v * x * x % P != u:
        return None
    if x & 1 != sign:
        x = -x % P
    return x, y, 1, x * y % P


def add(one, two):
    a = (one[1] - one[0]) * (two[1] - two[0]) % P
    b = (one[1] + one[0]) * (two[1] + two[0]) % P
    c = 2 * one[3] * two[3] * D % P
    d = 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, base):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, base)
        base = add(base, base)
        scalar >>= 1
    return result


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, message, signature):
    a, r = point(key), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = times(8 * s, BASE), times(8, add(r, times(k, a)))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- Keccak-256 -----------------------------------------------------------------------------------------------------


def rounds():
    constants, register = [], 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            register = (register << 1) ^ (0x171 if register >> 7 else 0)
            if register & 2:
                constant ^= 1 << ((1 << j) - 1)
        constants.append(constant)
    return constants


ROUNDS = rounds()
WORD = 2**64 - 1


def rotate(word, by):
    by %= 64
    return (word << by | word >> (64 - by)) & WORD


def keccak256(data):
    lanes = [[0] * 5 for _ in range(5)]
    padded = bytearray(data) + b"\x01" + b"\x00" * (135 - len(data) % 136)
    padded[-1] |= 0x80
    for start in range(0, len(padded), 136):
        for word in range(17):
            lane = int.from_bytes(padded[start + 8 * word : start + 8 * word + 8], "little")
            lanes[word % 5][word // 5] ^= lane
        for constant in ROUNDS:
            column = [a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] for a in lanes]
            mixed = [column[x - 1] ^ rotate(column[(x + 1) % 5], 1) for x in range(5)]
            lanes = [[lane ^ mixed[x] for lane in lanes[x]] for x in range(5)]
            x, y, current = 1, 0, lanes[1][0]
            for t in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                current, lanes[x][y] = lanes[x][y], rotate(current, (t + 1) * (t + 2) // 2)
            for y in range(5):
                row = [lanes[x][y] for x in range(5)]
                for x in range(5):
                    lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & WORD & row[(x + 2) % 5])
            lanes[0][0] ^= constant
    return b"".join(lanes[x][0].to_bytes(8, "little") for x in range(4))


# --- RLP and the trie -----------------------------------------------------------------------------------------------


def unrlp_at(data, at):
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    low = first - (0xC0 if is_list else 0x80)
    at += 1
    if low > 55:
        length = int.from_bytes(data[at : at + low - 55], "big")
        at += low - 55
    else:
        length = low
    end = at + length
    if end > len(data):
        raise ValueError("it ends too early")
    if not is_list:
        return data[at:end], end
    items = []
    while at < end:
        item, at = unrlp_at(data, at)
        items.append(item)
    if at != end:
        raise ValueError("an item ends outside its list")
    return items, end


def unrlp(data, link):
    try:
        value, end = unrlp_at(data, 0)
    except (ValueError, IndexError, RecursionError) as error:
        raise Broken(link, f"no RLP: {error!r}") from None
    need(end == len(data), link, "bytes follow its end")
    return value


def rlp_number(number):
    if number == 0:
        return b"\x80"
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return data if number < 0x80 else bytes([0x80 + len(data)]) + data


def nibbles(data):
    return [nibble for byte in data for nibble in (byte >> 4, byte & 15)]


def value_at(root, key, proof):
    """Walks from a trie's root along the nodes of a proof; gives the value under the key."""
    link, rest, wanted = "receipt", nibbles(key), root
    for number, encoded in enumerate(proof):
        need(keccak256(encoded) == wanted, link, f"node {number} is not the one that is named before it")
        node = unrlp(encoded, link)
        last = number == len(proof) - 1
        if isinstance(node, list) and len(node) == 17:
            need(rest and not last, link, "the proof ends in a branch")
            wanted, rest = node[rest[0]], rest[1:]
        else:
            need(isinstance(node, list) and len(node) == 2 and node[0], link, "no node of a trie")
            path = nibbles(node[0])
            kind, path = path[0], path[2 - (path[0] & 1) :]
            need(rest[: len(path)] == path, link, "the proof is of another transaction")
            rest = rest[len(path) :]
            if kind >= 2:
                need(last and not rest, link, "the proof is of another transaction")
                return node[1]
            need(not last, link, "the proof does not end in a leaf")
            wanted = node[1]
    raise Broken(link, "there is no proof")


# --- Bitcoin: hashes, secp256k1, transactions -------------------------------------------------------------------------


def sha256d(*parts):
    return hashlib.sha256(sha256(*parts)).digest()


def hash160(data):
    """RIPEMD-160 of SHA2-256. OpenSSL may be without it, so it is here."""
    return ripemd160(sha256(data))


def ripemd160(data):
    left = [list(range(16)), [7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8]]
    right = [[(9 * i + 5) % 16 for i in range(16)]]
    for _ in range(3):
        left.append([left[1][i] for i in left[-1]])
    for _ in range(4):
        right.append([left[1][i] for i in right[-1]])
    shifts = [
        [11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8],
        [12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7],
        [13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9],
        [14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6],
        [15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5],
    ]
    mixes = [
        lambda x, y, z: x ^ y ^ z,
        lambda x, y, z: (x & y) | (~x & z),
        lambda x, y, z: (x | ~y) ^ z,
        lambda x, y, z: (x & z) | (y & ~z),
        lambda x, y, z: x ^ (y | ~z),
    ]
    constants = [
        [0, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E],
        [0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0],
    ]
    word, turn = 2**32 - 1, lambda x, by: (x << by | x >> (32 - by)) & (2**32 - 1)

    def line(state, message, orders, constants, mixes):
        a, b, c, d, e = state
        for step in range(5):
            for order in orders[step]:
                shift = shifts[step][order]
                t = turn((a + mixes[step](b, c, d) + message[order] + constants[step]) & word, shift) + e & word
                a, e, d, c, b = e, d, turn(c, 10), b, t
        return a, b, c, d, e

    padded = bytearray(data) + b"\x80" + b"\x00" * ((55 - len(data)) % 64) + (8 * len(data)).to_bytes(8, "little")
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0]
    for start in range(0, len(padded), 64):
        message = [int.from_bytes(padded[start + 4 * i : start + 4 * i + 4], "little") for i in range(16)]
        one = line(state, message, left, constants[0], mixes)
        two = line(state, message, right, constants[1], mixes[::-1])
        state = [state[(i + 1) % 5] + one[(i + 2) % 5] + two[(i + 3) % 5] & word for i in range(5)]
    return b"".join(value.to_bytes(4, "little") for value in state)


FIELD = 2**256 - 2**32 - 977
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
GENERATOR = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def curve_add(one, two):
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % FIELD == 0:
            return None
        slope = 3 * one[0] * one[0] * pow(2 * one[1], -1, FIELD) % FIELD
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, FIELD) % FIELD
    x = (slope * slope - one[0] - two[0]) % FIELD
    return x, (slope * (one[0] - x) - one[1]) % FIELD


def curve_times(scalar, base):
    result = None
    while scalar:
        if scalar & 1:
            result = curve_add(result, base)
        base = curve_add(base, base)
        scalar >>= 1
    return result


def curve_point(key):
    if len(key) == 65 and key[0] == 4:
        x, y = int.from_bytes(key[1:33], "big"), int.from_bytes(key[33:], "big")
    elif len(key) == 33 and key[0] in (2, 3):
        x = int.from_bytes(key[1:], "big")
        y = pow(x**3 + 7, (FIELD + 1) // 4, FIELD)
        y = y if y & 1 == key[0] & 1 else FIELD - y
    else:
        return None
    fits = x < FIELD and y < FIELD and (y * y - x**3 - 7) % FIELD == 0
    return (x, y) if fits else None


def der(data):
    """The two numbers of a signature."""
    if len(data) < 8 or data[0] != 0x30 or data[1] != len(data) - 2 or data[2] != 2:
        return None
    length = data[3]
    if len(data) < 6 + length or data[4 + length] != 2 or data[5 + length] != len(data) - 6 - length:
        return None
    return int.from_bytes(data[4 : 4 + length], "big"), int.from_bytes(data[6 + length :], "big")


def curve_signed(key, digest, signature):
    public, numbers = curve_point(key), der(signature)
    if public is None or numbers is None:
        return False
    r, s = numbers
    if not (0 < r < CURVE_ORDER and 0 < s <= CURVE_ORDER // 2):
        return False
    inverse, number = pow(s, -1, CURVE_ORDER), int.from_bytes(digest, "big")
    at = curve_add(
        curve_times(number * inverse % CURVE_ORDER, GENERATOR), curve_times(r * inverse % CURVE_ORDER, public)
    )
    return at is not None and at[0] % CURVE_ORDER == r


def compact(data, at):
    first = data[at]
    length = {253: 2, 254: 4, 255: 8}.get(first, 0)
    if length == 0:
        return first, at + 1
    number = int.from_bytes(data[at + 1 : at + 1 + length], "little")
    if number < {2: 253, 4: 1 << 16, 8: 1 << 32}[length]:
        raise ValueError("a number in more bytes than it needs")
    return number, at + 1 + length


def bitcoin_transaction(data):
    """Version and inputs (outpoint, script, sequence), outputs (value, script), lock time: pieces of the bytes."""

    def take(length):
        nonlocal at
        piece = data[at : at + length]
        if len(piece) != length:
            raise ValueError("it ends too early")
        at += length
        return piece

    def count():
        nonlocal at
        number, at = compact(data, at)
        if number > len(data):
            raise ValueError("it ends too early")
        return number

    at = 0
    version = take(4)
    inputs = [(take(36), take(count()), take(4)) for _ in range(count())]
    outputs = [(take(8), take(count())) for _ in range(count())]
    lock = take(4)
    if at != len(data) or not inputs:
        raise ValueError("bytes follow its end, or it spends nothing")
    return version, inputs, outputs, lock


def pushed(script):
    """The byte strings that a script pushes, if it does nothing else."""
    words, at = [], 0
    while at < len(script):
        code = script[at]
        at += 1
        if code == 76 and at < len(script):
            code, at = script[at], at + 1
        elif not 0 < code <= 75:
            return None
        words.append(script[at : at + code])
        at += code
        if len(words[-1]) != code:
            return None
    return words


def payer_of(version, inputs, outputs, lock):
    """The hash of the key that signed it, which its first input's spent output is locked to."""
    words = pushed(inputs[0][1])
    if words is None or len(words) != 2 or words[0][-1:] != b"\x01":
        return None
    signature, key = words[0][:-1], words[1]
    payer = hash160(key)
    lock_script = b"\x76\xa9\x14" + payer + b"\x88\xac"
    text = version + bytes([len(inputs)]) if len(inputs) < 253 else b""
    if not text or len(outputs) >= 253:
        return None
    for number, (outpoint, _, sequence) in enumerate(inputs):
        script = lock_script if number == 0 else b""
        text += outpoint + bytes([len(script)]) + script + sequence
    text += bytes([len(outputs)])
    for value, script in outputs:
        if len(script) >= 253:
            return None
        text += value + bytes([len(script)]) + script
    return payer if curve_signed(key, sha256d(text, lock, b"\x01\x00\x00\x00"), signature) else None


def address_or_none(text):
    try:
        return payer_of_address(text)
    except (ValueError, OverflowError):
        return None


def payer_of_address(text):
    """The hash in an address that is one of a key (P2PKH), of the public network or one for tests."""
    number = 0
    for digit in text:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(digit)
    data = number.to_bytes(25, "big")
    if data[0] not in (0, 111) or sha256d(data[:21])[:4] != data[21:]:
        raise ValueError("it is no address of a key")
    return data[1:21]


# --- EOS ------------------------------------------------------------------------------------------------------------


def leb(number):
    """A number in groups of seven bits, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


LETTERS = ".12345abcdefghijklmnopqrstuvwxyz"


def eos_name(number):
    """The text of a name of 64 bits: twelve letters of five bits, one of four."""
    letters = [LETTERS[number >> (59 - 5 * at) & 31] for at in range(12)] + [LETTERS[number & 15]]
    return "".join(letters).rstrip(".")


def eos_transaction(data):
    """Account and name of its one action, who authorises it, and what the action says."""
    at = 10
    while data[at] & 128:
        at += 1
    at += 1
    if data[at + 1 : at + 4] != b"\x00\x00\x01":
        raise ValueError("it has a delay, or other actions")
    at += 4
    account, action = (int.from_bytes(data[at + 8 * word : at + 8 * word + 8], "little") for word in range(2))
    if data[at + 16] != 1:
        raise ValueError("not one account authorises it")
    actor = int.from_bytes(data[at + 17 : at + 25], "little")
    at += 33
    length = data[at]
    if length > 127:
        raise ValueError("the action says too much for an anchor")
    said = data[at + 1 : at + 1 + length]
    if len(data) != at + 1 + length + 1 or data[-1] != 0:
        raise ValueError("something follows its action")
    return account, eos_name(action), eos_name(actor), said


def eos_root(leaf, index, path, savanna):
    """The root that a path leads to; hashes of a pair are marked, unless the chain has Savanna's tree."""
    node = leaf
    for sibling in path:
        right = index & 1
        if not savanna:
            marked = lambda value, bit: bytes([value[0] & 127 | bit << 7]) + value[1:]
            if sibling != marked(sibling, 1 - right) or right and sibling == marked(node, 0):
                return None
            node = marked(node, right)
        node = sha256(sibling, node) if right else sha256(node, sibling)
        index >>= 1
    return node if index == 0 else None


# --- the file -------------------------------------------------------------------------------------------------------

ANCHORED = keccak256(b"Anchored(bytes32,uint64,bytes32,uint64,uint64,bytes32)")
RECORDED = keccak256(b"Recorded(bytes32,uint64,bytes32)")
SHAPES = {
    "ethereum": {"chain_id", "header", "transaction", "log", "receipt"},
    "bitcoin": {"header", "transaction", "index", "path"},
    "eos": {"header", "cpu", "net", "transaction", "signatures", "index", "path"},
}
FIELDS = {"v", "leaf", "inclusion", "block", "certificate", "anchor"}
# Of an operation that was submitted by itself.
SINGLE = {"v", "leaf", "index", "anchor"}
SOMETIMES = {"round", "transitions"}
HEADER = {"v", "chain", "height", "time", "previous", "first_leaf", "tree_size", "tree_root", "state_hash", "proposer"}
LATER = {"round", "next_validators"}


def from_json(text):
    """The same object with byte strings instead of hexadecimal digits."""
    file = json.loads(text)
    unhex = bytes.fromhex
    file["leaf"] = unhex(file["leaf"])
    if set(file) != SINGLE:
        file["block"] = unhex(file["block"])
        file["inclusion"]["path"] = [unhex(node) for node in file["inclusion"]["path"]]
    if file.get("certificate") is not None:
        file["certificate"] = [[unhex(account), unhex(signature)] for account, signature in file["certificate"]]
    if "transitions" in file:
        file["transitions"] = [unhex(change) for change in file["transitions"]]
    for chain, anchor in file["anchor"].items():
        anchor["header"] = unhex(anchor["header"])
        nodes = "receipt" if chain == "ethereum" else "path"
        anchor[nodes] = [unhex(node) for node in anchor[nodes]]
        if chain != "ethereum":
            anchor["transaction"] = unhex(anchor["transaction"])
        if chain == "eos":
            anchor["signatures"] = unhex(anchor["signatures"])
    return file


def number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def octets(value, length=None):
    return type(value) is bytes and (length is None or len(value) == length)


def check_shape(anchors, link):
    """One anchor, with the fields of its chain."""
    need(isinstance(anchors, dict) and len(anchors) == 1, link, "anchor")
    (chain, anchor), = anchors.items()
    need(chain in SHAPES and isinstance(anchor, dict) and set(anchor) == SHAPES[chain], link, "anchor")
    numbers = {"chain_id", "index", "log", "cpu", "net"} | ({"transaction"} if chain == "ethereum" else set())
    for name, value in anchor.items():
        if name in numbers:
            need(number(value) and (name not in ("cpu", "net") or value < 1 << 32), link, "anchor")
        elif name in ("receipt", "path"):
            need(isinstance(value, list) and all(octets(node) for node in value), link, "anchor")
        else:
            need(octets(value), link, "anchor")


def read(data):
    link = "format"
    if data[:1] == b"{":
        try:
            file = from_json(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Broken(link, f"no JSON of this shape: {error!r}") from None
    else:
        file = uncbor(data, link)
    need(isinstance(file, dict), link, "no map")
    if set(file) == SINGLE:
        need(file["v"] == 1, link, "another version")
        need(octets(file["leaf"]) and number(file["index"]), link, "leaf and index")
        check_shape(file["anchor"], link)
        need(set(file["anchor"]) == {"ethereum"}, link, "single records are not submitted there")
        return file
    need(FIELDS <= set(file) <= FIELDS | SOMETIMES, link, "other fields")
    need(file["v"] == 1, link, "another version")
    need(octets(file["leaf"]) and octets(file["block"]), link, "leaf and block are bytes")
    inclusion = file["inclusion"]
    need(isinstance(inclusion, dict) and set(inclusion) == {"index", "tree_size", "path"}, link, "inclusion")
    need(number(inclusion["index"]) and number(inclusion["tree_size"]), link, "inclusion")
    need(isinstance(inclusion["path"], list), link, "inclusion")
    need(all(octets(node, 32) for node in inclusion["path"]), link, "inclusion")
    certificate = file["certificate"]
    if certificate is not None:
        need(isinstance(certificate, list), link, "certificate")
        for entry in certificate:
            need(isinstance(entry, list) and len(entry) == 2, link, "certificate")
            need(octets(entry[0], 32) and octets(entry[1]), link, "certificate")
    else:
        need(not SOMETIMES & set(file), link, "a round or changes of validators without a certificate")
    need("round" not in file or number(file["round"]) and file["round"] < 1 << 32, link, "round")
    changes = file.get("transitions", [])
    need(isinstance(changes, list) and all(octets(change) for change in changes), link, "transitions")
    need("transitions" not in file or changes, link, "transitions")
    check_shape(file["anchor"], link)
    return file


def account_of(key):
    return sha256(b"medshare/v1/account\x00", key)


def founders(genesis):
    """Who decides from the first block on: seats in order of account, all of one weight."""
    keys = {account_of(validator["key"]): validator["key"] for validator in genesis["validators"]}
    return [{"account": account, "key": keys[account], "weight": 1000} for account in sorted(keys)]


def check_signatures(header, block, agreed, certificate, seats):
    """More than two thirds of the seats' weight signed the header, or that they agreed on it in a round. Whose turn it
    was to propose is not looked at."""
    link = "certificate"
    seats = {seat["account"]: seat for seat in seats}
    need(header["proposer"] in seats, link, "the proposer is no validator")
    message = b"medshare/v1/block\x00" + block
    if agreed is not None:
        name = Cid(b"\x01\x71\x12\x20" + sha256(block))
        commit = {"chain": header["chain"], "height": header["height"], "round": agreed, "header": name}
        message = b"medshare/v1/commit\x00" + cbor(commit)
    signers = set()
    for signer, signature in certificate:
        need(signer in seats and signer not in signers, link, "a signer is no validator, or signs twice")
        signers.add(signer)
        holds = len(signature) == 64 and signed(seats[signer]["key"], message, signature)
        need(holds, link, "a signature does not verify")
    weight = sum(seats[signer]["weight"] for signer in signers)
    need(3 * weight > 2 * sum(seat["weight"] for seat in seats.values()), link, "too few validators signed")


def sound(seats):
    """Whether this is a set of validators."""
    whole = isinstance(seats, list) and 0 < len(seats) <= 128 and all(
        isinstance(seat, dict)
        and set(seat) == {"account", "key", "weight"}
        and octets(seat["account"], 32)
        and octets(seat["key"], 32)
        and number(seat["weight"])
        and 1 <= seat["weight"] <= 4000
        for seat in seats
    )
    return whole and all(one["account"] < other["account"] for one, other in zip(seats, seats[1:]))


def follow(changes, ledger, genesis):
    """The validators after all changes, what headers of their time name them by, and its first height."""
    link = "certificate"
    seats, reign, first = founders(genesis), None, 1
    for data in changes:
        change = uncbor(data, link)
        need(isinstance(change, dict) and set(change) == {"head", "next"}, link, "no change of validators")
        head, following = change["head"], change["next"]
        need(isinstance(head, dict) and set(head) == {"header", "certificate"}, link, "no head")
        header, certificate = head["header"], head["certificate"]
        need(isinstance(header, dict) and HEADER <= set(header) <= HEADER | LATER, link, "no header")
        fields = {"height", "header", "signatures"}
        need(isinstance(certificate, dict) and fields <= set(certificate) <= fields | {"round"}, link, "no certificate")
        need(header["chain"] == ledger and number(header["height"]), link, "a change of another ledger")
        need(header["height"] >= first, link, "changes out of order")
        block = cbor(header)
        name = Cid(b"\x01\x71\x12\x20" + sha256(block))
        same = certificate["height"] == header["height"] and certificate["header"] == name
        need(same, link, "a certificate of another header")
        check_signatures(header, block, certificate.get("round"), certificate["signatures"], seats)
        need(sound(following), link, "no validators")
        reign = {"first": header["height"] + 1, "set": sha256(cbor(following))}
        need(header.get("next_validators") == reign, link, "the header names other validators")
        seats, first = following, reign["first"]
    return seats, reign, first


def check_certificate(file, header, ledger, genesis):
    link = "certificate"
    seats, reign, first = follow(file.get("transitions", []), ledger, genesis)
    named = header.get("next_validators")
    ends = isinstance(named, dict) and named.get("first") == header["height"] + 1
    need(header["height"] >= first and (named == reign or ends), link, "a change of validators is left out")
    check_signatures(header, file["block"], file.get("round"), file["certificate"], seats)


def check_event(anchor, root, kind):
    """The event's contract, sequence number and data."""
    receipt = value_at(root, rlp_number(anchor["transaction"]), anchor["receipt"])
    need(isinstance(receipt, bytes) and receipt, "receipt", "no receipt")
    # EIP-2718: a type of one byte, below every list's first.
    fields = unrlp(receipt[1:] if receipt[0] < 0x80 else receipt, "receipt")
    need(isinstance(fields, list) and len(fields) == 4, "receipt", "no receipt")
    need(fields[0] == b"\x01", "receipt", "the transaction failed")
    need(anchor["log"] < len(fields[3]), "event", "there is no event of this number")
    address, topics, data = fields[3][anchor["log"]]
    need(len(topics) == 3 and topics[0] == kind, "event", "the event is of another kind")
    return address, topics, data


def in_ethereum(anchor, ledger, header, head, given):
    """Checks the anchor; gives back what it rests on, and what of that is not the verifier's."""
    word = lambda value: value.to_bytes(32, "big")
    said = header["tree_root"] + word(header["tree_size"]) + word(header["height"]) + head
    return event_in_ethereum(anchor, ANCHORED, ledger, None, said, given)


def event_in_ethereum(anchor, kind, ledger, index, said, given):
    """The same for an event of a kind that says this, of a leaf if an index is given."""
    public = unrlp(anchor["header"], "header")
    need(isinstance(public, list) and len(public) >= 12 and len(public[5]) == 32, "header", "no header of a block")
    address, topics, data = check_event(anchor, public[5], kind)
    need(topics[1] == ledger and data == said, "event", "it says something else, or of another ledger")
    need(index is None or topics[2] == index.to_bytes(32, "big"), "event", "it is about another leaf")

    def trusted():
        need(anchor["chain_id"] == given.network, "trust", "it is about another network")
        need(address == given.contract, "trust", "the event is not the ledger's contract's")

    facts = {
        "chain": "ethereum",
        "network": anchor["chain_id"],
        "number": int.from_bytes(public[8], "big"),
        "sequence": int.from_bytes(topics[2], "big"),
    }
    return keccak256(anchor["header"]), facts, trusted


def in_bitcoin(anchor, ledger, header, head, given):
    """The same."""
    need(len(anchor["header"]) == 80, "header", "no header of a block")
    link = "transaction"
    try:
        transaction = bitcoin_transaction(anchor["transaction"])
    except (ValueError, IndexError) as error:
        raise Broken(link, f"no transaction without witnesses: {error!r}") from None
    need(all(len(node) == 32 for node in anchor["path"]), link, "a hash is not 32 bytes long")
    node, index = sha256d(anchor["transaction"]), anchor["index"]
    for sibling in anchor["path"]:
        need(index & 1 == 0 or sibling != node, link, "a twin is no place of its own")
        node = sha256d(sibling, node) if index & 1 else sha256d(node, sibling)
        index >>= 1
    need(index == 0 and node == anchor["header"][36:68], link, "it does not stand in the block at this index")
    _, _, outputs, _ = transaction
    said = outputs[0][1] if outputs else b""
    numbers = [header["tree_size"], header["height"]]
    need(all(value < 1 << 48 for value in numbers), "output", "no anchor says such numbers")
    size, height = (value.to_bytes(6, "big") for value in numbers)
    mark = b"MSA\x01" + ledger[:4] + header["tree_root"] + size + height + head[:28]
    need(said[:3] == b"\x6a\x4c\x50" and len(said) == 83, "output", "the first output is no anchor")
    need(said[3:] == mark, "output", "it anchors another block of a ledger")
    payer = payer_of(*transaction)
    need(payer is not None, "payer", "the first input is not signed by a key")

    def trusted():
        need(payer in (given.payer or []), "trust", "it is signed by another key than the ledger's payers")

    facts = {"chain": "bitcoin", "payer": payer.hex()}
    return sha256d(anchor["header"])[::-1], facts, trusted


def in_eos(anchor, ledger, header, head, given):
    """The same."""
    public, link = anchor["header"], "transaction"
    need(len(public) >= 116, "header", "no header of a block")
    hashes = anchor["path"] + [anchor["signatures"]]
    need(all(len(node) == 32 for node in hashes), link, "a hash is not 32 bytes long")
    sent = sha256(b"\x00", leb(len(anchor["transaction"])), anchor["transaction"], anchor["signatures"])
    receipt = sha256(b"\x00", anchor["cpu"].to_bytes(4, "little"), leb(anchor["net"]), sent)
    savanna = int.from_bytes(public[110:114], "little") == 1 << 31
    root = eos_root(receipt, anchor["index"], anchor["path"], savanna)
    need(root == public[46:78], link, "its receipt does not stand in the block at this index")
    try:
        _, action, actor, said = eos_transaction(anchor["transaction"])
    except (ValueError, IndexError) as error:
        raise Broken(link, f"no transaction of one action: {error!r}") from None
    word = lambda value: value.to_bytes(8, "little")
    expected = ledger + header["tree_root"] + word(header["tree_size"]) + word(header["height"]) + head
    need(action == "anchor" and len(said) == 112, "action", "the action is no anchor")
    need(said == expected, "action", "it anchors another block of a ledger")

    def trusted():
        need(actor in given.account, "trust", "another account authorised it than the ledger's payers")

    before = int.from_bytes(public[14:18], "big")
    height = (before + 1).to_bytes(4, "big")
    facts = {"chain": "eos", "payer": actor, "number": before + 1}
    return height + sha256(public)[4:], facts, trusted


def verify(data, genesis_bytes, given):
    file = read(data)
    genesis = uncbor(genesis_bytes, "genesis")
    ledger = sha256(genesis_bytes)

    leaf = uncbor(file["leaf"], "operation")
    need(isinstance(leaf, dict) and set(leaf) == {"v", "operation", "outcome"}, "operation", "no leaf of the log")
    need(leaf["v"] == 1, "operation", "another version")
    operation = leaf["operation"]
    need(isinstance(operation, dict) and set(operation) == {"v", "body", "signature"}, "operation", "no operation")
    need(operation["body"].get("chain") == ledger, "operation", "it is about another ledger")

    if set(file) == SINGLE:
        return verify_single(file, leaf, ledger, given)

    header = uncbor(file["block"], "block")
    need(isinstance(header, dict) and HEADER <= set(header) <= HEADER | LATER, "block", "no header of a block")
    need(header["v"] == 1, "block", "another version")
    need(header["chain"] == ledger, "block", "it is of another ledger")
    inclusion = file["inclusion"]
    need(inclusion["tree_size"] == header["tree_size"], "inclusion", "another number of leaves than the block's")
    root = root_of(file["leaf"], inclusion["index"], inclusion["tree_size"], inclusion["path"])
    need(root is not None and root == header["tree_root"], "inclusion", "it leads to another root")

    (chain, anchor), = file["anchor"].items()
    check = {"ethereum": in_ethereum, "bitcoin": in_bitcoin, "eos": in_eos}[chain]
    block, facts, trusted = check(anchor, ledger, header, sha256(file["block"]), given)

    if file["certificate"] is not None:
        check_certificate(file, header, ledger, genesis)

    trusted()
    need(block in given.block, "trust", f"block {block.hex()} is not among those to trust")
    return {
        "verified": True,
        "index": inclusion["index"],
        "tree_size": header["tree_size"],
        "height": header["height"],
        "time": header["time"],
        "action": next(iter(operation["body"]["action"]), None) if isinstance(operation["body"].get("action"), dict) else None,
        "outcome": leaf["outcome"],
        "certified": file["certificate"] is not None,
        "block": block.hex(),
        **facts,
    }


def verify_single(file, leaf, ledger, given):
    """An operation that was submitted by itself: its leaf's hash is what the event says."""
    said = sha256(b"\x00", file["leaf"])
    anchor, index = file["anchor"]["ethereum"], file["index"]
    block, facts, trusted = event_in_ethereum(anchor, RECORDED, ledger, index, said, given)
    trusted()
    need(block in given.block, "trust", f"block {block.hex()} is not among those to trust")
    action = leaf["operation"]["body"].get("action")
    return {
        "verified": True,
        "index": index,
        "action": next(iter(action), None) if isinstance(action, dict) else None,
        "outcome": leaf["outcome"],
        "certified": False,
        "block": block.hex(),
        **facts,
    }


def main():
    digits = lambda text: bytes.fromhex(text.removeprefix("0x"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--genesis", required=True, help="the ledger's genesis object")
    parser.add_argument("--network", type=int, help="number of the Ethereum network")
    parser.add_argument("--contract", type=digits, help="address of the ledger's contract")
    parser.add_argument("--payer", action="append", help="address or account whose anchors in Bitcoin or EOS count")
    parser.add_argument("--block", required=True, type=digits, action="append", help="hash of a block to trust")
    given = parser.parse_args()
    given.account, given.payer = given.payer or [], [payer for payer in map(address_or_none, given.payer or []) if payer]
    with open(given.file, "rb") as file, open(given.genesis, "rb") as genesis:
        data, genesis_bytes = file.read(1 << 20), genesis.read(1 << 20)
    try:
        print(json.dumps(verify(data, genesis_bytes, given), indent=1))
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
