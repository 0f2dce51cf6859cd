#!/usr/bin/env python3
"""Writes what the fuzzers of the store start from, cut out of the golden stores: their fuzzers take 2048 octets.

store_der: single entries and free entries; store_keyslot: key slots; store_recovery: stores of a header, a key slot (where
there is one), the entries behind the first transaction, and a free entry up to the end. All that a golden store has up to
number `base` counts without the rest of its transaction, so the second copies and the room between them can be left out.
"""
from pathlib import Path

HERE = Path(__file__).parent
STORES = HERE.parent / "store"


def header_of(octets, at):
    length, size = octets[at + 1], 2
    if length >= 0x80:
        size += length & 0x7F
        length = int.from_bytes(octets[at + 2:at + size], "big")
    return size, length


def elements(octets):
    at, found = 2, []
    while octets[at]:
        size, length = header_of(octets, at)
        found.append(octets[at:at + size + length])
        at += size + length
    return found


def tlv(tag, contents):
    n = len(contents)
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([n]) if n < 128 else bytes([0x80 | len(octets)]) + octets) + contents


def free(total):
    for zeros in range(1, total):
        one = tlv(0x30, tlv(0x30, b"\x16\x04free1\x001\x00" + tlv(0x04, bytes(zeros))))
        if len(one) == total:
            return one
    return free(17) + free(total - 17)


def store(entries, total=2048):
    log = b"\x31\x80" + b"".join(entries)
    return log + free(total - 2 - len(log)) + b"\0\0"


def write(fuzzer, name, octets):
    folder = HERE / fuzzer
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(octets)


def kind(entry):
    inside = entry[header_of(entry, 0)[0]:]
    inside = inside[header_of(inside, 0)[0]:]
    return inside[2:2 + inside[1]].decode()


def main():
    for golden in ("golden-1", "golden-raw"):
        entries = [e for e in elements((STORES / f"{golden}.vtpm").read_bytes()) if kind(e) != "free"]
        header = entries[0]
        slots = [e for e in entries if kind(e) == "keyslot"]
        blobs = [e for e in entries if kind(e) not in ("keyslot", "blobstore")]
        for i, slot in enumerate(slots[:2]):
            write("store_keyslot", f"{golden}-{i}", slot)
        for i, entry in enumerate([header, *blobs]):
            write("store_der", f"{golden}-{i}", entry)
        whole = store([header, slots[-1], *blobs])
        write("store_recovery", f"{golden}-whole", whole)
        write("store_recovery", f"{golden}-empty", store([header], 512))
        write("store_recovery", f"{golden}-no-slot", store([header, *blobs]))
        write("store_recovery", f"{golden}-cut-off", whole[:len(b"".join([header, slots[-1], *blobs])) - 20])
        write("store_recovery", f"{golden}-torn", whole[:1500].rstrip(b"\0")[:-30] + bytes(400))
        rotten = bytearray(whole)
        at = whole.index(blobs[1]) + 30
        rotten[at:at + 8] = b"\xff" * 8
        write("store_recovery", f"{golden}-rotten", bytes(rotten))
    # The fixed-capacity layout, without the names that make it too long.
    fixed = elements((STORES / "golden-fixed.vtpm").read_bytes())
    half = len(fixed) // 2
    kept = [e for i, e in enumerate(fixed) if i % half != 1 and kind(e) != "tpm2-permall"]
    write("store_recovery", "golden-fixed", b"\x31\x80" + b"".join(kept) + b"\0\0")
    write("store_der", "free-17", free(17))
    write("store_der", "free-300", free(300))
    write("store_der", "free-130", free(130))


main()
