"""OpenFHE's proxy re-encryption (BGV), from its wheel. Variant: INDCPA, FIXED_NOISE_HRA, NOISE_FLOODING_HRA.

Prints the same lines as the programs made of `harness`: `bench/peers/README.md` describes them.
"""
import argparse
import json
import math
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before the library is loaded: all work is done by the thread that is timed

BATCH_SECONDS = 0.002
MESSAGE = [(5 * i // 3) % 2 for i in range(256)]  # one key of 256 bit


def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def context(openfhe, mode):
    """128-bit security by the standard's tables; the cheapest set that decrypts (README: how it was chosen)."""
    parameters = openfhe.CCParamsBGVRNS()
    parameters.SetSecurityLevel(openfhe.SecurityLevel.HEStd_128_classic)
    parameters.SetPlaintextModulus(2)
    parameters.SetMultiplicativeDepth(0)
    parameters.SetScalingTechnique(openfhe.FIXEDMANUAL)
    parameters.SetKeySwitchTechnique(openfhe.BV)
    parameters.SetDigitSize(10)
    parameters.SetPREMode(getattr(openfhe, mode))
    if mode == "NOISE_FLOODING_HRA":
        parameters.SetPRENumHops(1)
        parameters.SetStatisticalSecurity(40)
        parameters.SetNumAdversarialQueries(1 << 15)
        parameters.SetRingDim(4096)
    made = openfhe.GenCryptoContext(parameters)
    for feature in (openfhe.PKE, openfhe.KEYSWITCH, openfhe.LEVELEDSHE, openfhe.PRE):
        made.Enable(feature)
    return made


def bits(plaintext):
    plaintext.SetLength(len(MESSAGE))
    return [abs(bit) for bit in plaintext.GetCoefPackedValue()]


def seconds_of(run, calls):
    begin = time.thread_time_ns()
    for _ in range(calls):
        run()
    return (time.thread_time_ns() - begin) * 1e-9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--core", type=int)
    parser.add_argument("variant", nargs="?", default="INDCPA")
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    before = peak_kib()
    import openfhe

    def line(**values):
        print(json.dumps({"peer": f"openfhe {arguments.variant}", **values}), flush=True)

    def size(what, value):
        line(size=what, bytes=len(openfhe.Serialize(value, openfhe.BINARY)))

    cc = context(openfhe, arguments.variant)
    keys, receiver = cc.KeyGen(), cc.KeyGen()
    plaintext = cc.MakeCoefPackedPlaintext(MESSAGE)
    capsule = cc.Encrypt(keys.publicKey, plaintext)
    rk = cc.ReKeyGen(keys.secretKey, receiver.publicKey)
    turned = cc.ReEncrypt(capsule, rk)
    assert bits(cc.Decrypt(capsule, keys.secretKey)) == MESSAGE
    assert bits(cc.Decrypt(turned, receiver.secretKey)) == MESSAGE

    line(note=f"n = {cc.GetRingDimension()}, log2 q = {math.log2(cc.GetModulus()):.1f}")
    size("public key", keys.publicKey)
    size("secret key", keys.secretKey)
    size("user key", receiver.secretKey)
    size("capsule", capsule)
    size("re-encryption key", rk)
    size("re-encrypted capsule", turned)

    level = "CPA" if arguments.variant == "INDCPA" else "HRA"
    operations = [
        ("set up", "-", "KeyGen", cc.KeyGen),
        ("rekey", level, "ReKeyGen", lambda: cc.ReKeyGen(keys.secretKey, receiver.publicKey)),
        ("encapsulate", "CPA", "Encrypt, 256 bit", lambda: cc.Encrypt(keys.publicKey, plaintext)),
        ("decapsulate", "CPA", "Decrypt", lambda: cc.Decrypt(capsule, keys.secretKey)),
        ("re-encrypt", level, "ReEncrypt", lambda: cc.ReEncrypt(capsule, rk)),
        ("open re-encrypted", level, "Decrypt", lambda: cc.Decrypt(turned, receiver.secretKey)),
    ]
    batches, samples = [], [[] for _ in operations]
    for *_, run in operations:
        run()
        batches.append(max(1, int(BATCH_SECONDS / max(seconds_of(run, 1), 1e-9))))
    used = time.thread_time()
    while time.thread_time() - used < arguments.seconds:
        for (*_, run), calls, nanoseconds in zip(operations, batches, samples):
            nanoseconds.append(round(seconds_of(run, calls) * 1e9 / calls, 1))
    for (operation, level, call, _), batch, nanoseconds in zip(operations, batches, samples):
        # Keys live in the library's own form; parsing them is not among what its users do per message.
        line(operation=operation, form="prepared", call=call, batch=batch, nanoseconds=nanoseconds,
             **{"class": level})
    line(memory_before_kib=before, memory_peak_kib=peak_kib())


if __name__ == "__main__":
    main()
