"""Prints tests/vectors/unixfs.txt: CIDs of generated files as Kubo computes them.

    python3 unixfs.py path/to/ipfs > unixfs.txt

Needs any Kubo (`ipfs`) and nothing of this project. The file of n bytes is the first n
bytes of SHA-256(0) SHA-256(1) SHA-256(2) ..., each number as 8 bytes, lowest first.
"""

import hashlib
import os
import subprocess
import sys
import tempfile

KIB, MIB = 1 << 10, 1 << 20

PROFILES = {
    "unixfs-v1-2025": (MIB, 1024, ["--cid-version=1", "--raw-leaves"]),
    "unixfs-v0-2015": (256 * KIB, 174, ["--cid-version=0", "--raw-leaves=false"]),
    "kubo-cid-v1": (256 * KIB, 174, ["--cid-version=1", "--raw-leaves"]),
}


def content(size):
    blocks = (hashlib.sha256(i.to_bytes(8, "little")).digest() for i in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def main(ipfs):
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "IPFS_PATH": os.path.join(folder, "repo")}
        run = lambda *words: subprocess.run(
            [ipfs, *words], env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()
        run("init")
        print("# " + run("version", "--all").splitlines()[0] + ", ipfs add --only-hash; made by unixfs.py")
        print("# profile chunk width size cid")
        path = os.path.join(folder, "file")

        def line(profile, chunk, width, size):
            with open(path, "wb") as file:
                file.write(content(size))
            cid = run(
                "add", "--quieter", "--only-hash", "--trickle=false", f"--chunker=size-{chunk}",
                f"--max-file-links={width}", *PROFILES[profile][2], path,
            )
            print(profile, chunk, width, size, cid)

        for profile, (chunk, width, _) in PROFILES.items():
            for size in (0, 1, 32, chunk - 1, chunk, chunk + 1, 3 * chunk, 5 * chunk + 77):
                line(profile, chunk, width, size)
            # Small chunks and nodes: trees of several levels, at and around each edge.
            for width in (2, 3):
                for leaves in (2, 3, 4, 5, 8, 9, 10, 17, 27, 28):
                    for size in (leaves * 64, leaves * 64 + 1):
                        line(profile, 64, width, size)
        line("unixfs-v0-2015", 256 * KIB, 174, 174 * 256 * KIB)
        line("unixfs-v0-2015", 256 * KIB, 174, 174 * 256 * KIB + 1)
        line("kubo-cid-v1", 256 * KIB, 174, 174 * 256 * KIB + 1)
        line("unixfs-v1-2025", 1024, 1024, MIB)
        line("unixfs-v1-2025", 1024, 1024, MIB + 1)


main(*sys.argv[1:])
