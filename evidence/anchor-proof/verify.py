#!/usr/bin/env python3
"""Verifies an anchored proof file of medshare, offline, with nothing but Python's standard library.

It shares no code with medshare: written from docs/anchors.md, RFC 9162, RFC 8032 with ZIP 215, the DAG-CBOR
specification, and Ethereum's yellow paper (RLP, the Merkle Patricia trie, Keccak). Numbers are ordinary Python
integers: slow, and not for secrets.

  verify.py FILE --genesis FILE --network NUMBER --contract ADDRESS --block HASH [--block HASH ...]

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


# --- the file -------------------------------------------------------------------------------------------------------

ANCHORED = keccak256(b"Anchored(bytes32,uint64,bytes32,uint64,uint64,bytes32)")
FIELDS = {"v", "leaf", "inclusion", "block", "certificate", "anchor"}
HEADER = {"v", "chain", "height", "time", "previous", "first_leaf", "tree_size", "tree_root", "state_hash", "proposer"}


def from_json(text):
    """The same object with byte strings instead of hexadecimal digits."""
    file = json.loads(text)
    unhex = bytes.fromhex
    file["leaf"], file["block"] = unhex(file["leaf"]), unhex(file["block"])
    file["inclusion"]["path"] = [unhex(node) for node in file["inclusion"]["path"]]
    if file["certificate"] is not None:
        file["certificate"] = [[unhex(account), unhex(signature)] for account, signature in file["certificate"]]
    anchor = file["anchor"]["ethereum"]
    anchor["header"] = unhex(anchor["header"])
    anchor["receipt"] = [unhex(node) for node in anchor["receipt"]]
    return file


def number(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def octets(value, length=None):
    return type(value) is bytes and (length is None or len(value) == length)


def read(data):
    link = "format"
    if data[:1] == b"{":
        try:
            file = from_json(data)
        except (ValueError, KeyError, TypeError) as error:
            raise Broken(link, f"no JSON of this shape: {error!r}") from None
    else:
        file = uncbor(data, link)
    need(isinstance(file, dict), link, "no map")
    need("round" not in file, "certificate", "it is of a round of several validators: not checked by this script")
    need(set(file) == FIELDS, link, "other fields")
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
    need(isinstance(file["anchor"], dict) and set(file["anchor"]) == {"ethereum"}, link, "anchor")
    anchor = file["anchor"]["ethereum"]
    names = {"chain_id", "header", "transaction", "log", "receipt"}
    need(isinstance(anchor, dict) and set(anchor) == names, link, "anchor")
    need(all(number(anchor[name]) for name in ("chain_id", "transaction", "log")), link, "anchor")
    need(octets(anchor["header"]) and isinstance(anchor["receipt"], list), link, "anchor")
    need(all(octets(node) for node in anchor["receipt"]), link, "anchor")
    return file


def check_certificate(header, block, certificate, genesis):
    link = "certificate"
    account = lambda key: sha256(b"medshare/v1/account\x00", key)
    keys = {account(validator["key"]): validator["key"] for validator in genesis["validators"]}
    need(header["proposer"] in keys, link, "the proposer is no validator")
    message = b"medshare/v1/block\x00" + block
    signers = set()
    for signer, signature in certificate:
        need(signer in keys and signer not in signers, link, "a signer is no validator, or signs twice")
        signers.add(signer)
        need(len(signature) == 64 and signed(keys[signer], message, signature), link, "a signature does not verify")
    need(3 * len(signers) > 2 * len(keys), link, "too few validators signed")


def check_event(anchor, root):
    """The event's contract, sequence number and data."""
    receipt = value_at(root, rlp_number(anchor["transaction"]), anchor["receipt"])
    need(isinstance(receipt, bytes) and receipt, "receipt", "no receipt")
    # EIP-2718: a type of one byte, below every list's first.
    fields = unrlp(receipt[1:] if receipt[0] < 0x80 else receipt, "receipt")
    need(isinstance(fields, list) and len(fields) == 4, "receipt", "no receipt")
    need(fields[0] == b"\x01", "receipt", "the transaction failed")
    need(anchor["log"] < len(fields[3]), "event", "there is no event of this number")
    address, topics, data = fields[3][anchor["log"]]
    need(len(topics) == 3 and topics[0] == ANCHORED and len(data) == 128, "event", "the event is no anchor")
    return address, topics, data


def verify(data, genesis_bytes, network, contract, blocks):
    file = read(data)
    genesis = uncbor(genesis_bytes, "genesis")
    ledger = sha256(genesis_bytes)

    leaf = uncbor(file["leaf"], "operation")
    need(isinstance(leaf, dict) and set(leaf) == {"v", "operation", "outcome"}, "operation", "no leaf of the log")
    need(leaf["v"] == 1, "operation", "another version")
    operation = leaf["operation"]
    need(isinstance(operation, dict) and set(operation) == {"v", "body", "signature"}, "operation", "no operation")
    need(operation["body"].get("chain") == ledger, "operation", "it is about another ledger")

    header = uncbor(file["block"], "block")
    need(isinstance(header, dict) and set(header) == HEADER, "block", "no header of a block")
    need(header["v"] == 1, "block", "another version")
    need(header["chain"] == ledger, "block", "it is of another ledger")
    inclusion = file["inclusion"]
    need(inclusion["tree_size"] == header["tree_size"], "inclusion", "another number of leaves than the block's")
    root = root_of(file["leaf"], inclusion["index"], inclusion["tree_size"], inclusion["path"])
    need(root is not None and root == header["tree_root"], "inclusion", "it leads to another root")

    anchor = file["anchor"]["ethereum"]
    public = unrlp(anchor["header"], "header")
    need(isinstance(public, list) and len(public) >= 12 and len(public[5]) == 32, "header", "no header of a block")
    address, topics, said = check_event(anchor, public[5])
    word = lambda value: value.to_bytes(32, "big")
    expected = root + word(header["tree_size"]) + word(header["height"]) + sha256(file["block"])
    need(topics[1] == ledger and said == expected, "event", "it anchors another block of a ledger")

    if file["certificate"] is not None:
        check_certificate(header, file["block"], file["certificate"], genesis)

    need(anchor["chain_id"] == network, "trust", "it is about another network")
    need(address == contract, "trust", "the event is not the ledger's contract's")
    block = keccak256(anchor["header"])
    need(block in blocks, "trust", f"block {block.hex()} is not among those to trust")
    return {
        "verified": True,
        "index": inclusion["index"],
        "tree_size": header["tree_size"],
        "height": header["height"],
        "time": header["time"],
        "action": next(iter(operation["body"]["action"]), None) if isinstance(operation["body"].get("action"), dict) else None,
        "outcome": leaf["outcome"],
        "certified": file["certificate"] is not None,
        "network": network,
        "block": block.hex(),
        "number": int.from_bytes(public[8], "big"),
        "sequence": int.from_bytes(topics[2], "big"),
    }


def main():
    digits = lambda text: bytes.fromhex(text.removeprefix("0x"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--genesis", required=True, help="the ledger's genesis object")
    parser.add_argument("--network", required=True, type=int, help="number of the Ethereum network")
    parser.add_argument("--contract", required=True, type=digits, help="address of the ledger's contract")
    parser.add_argument("--block", required=True, type=digits, action="append", help="hash of a block to trust")
    given = parser.parse_args()
    with open(given.file, "rb") as file, open(given.genesis, "rb") as genesis:
        data, genesis_bytes = file.read(1 << 20), genesis.read(1 << 20)
    try:
        print(json.dumps(verify(data, genesis_bytes, given.network, given.contract, given.block), indent=1))
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
