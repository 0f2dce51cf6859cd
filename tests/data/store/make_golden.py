#!/usr/bin/env python3
"""Writes golden-1.vtpm, a store as docs/format.md describes it, without any code of the store itself.

It exists so that the reader is checked against a second implementation of the format: Python's cryptography package
does AES-SIV, HKDF and HMAC, the argon2 program does Argon2id. Needed only when a golden store is added (packages
python3-cryptography, argon2). With --example it prints the hex dump that docs/format.md shows.
"""
import hashlib
import hmac
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

UUID = bytes.fromhex("00112233445546778899aabbccddeeff")
SALT = b"the CRC's salt.."
MASTER = bytes(range(0x40, 0x60))
SECRETS = [("so", b"so secret", b"0123456789abcdef0123456789abcdef"), ("user", b"1234", b"fedcba9876543210fedcba9876543210")]
FILE_OCTETS = 8192


def crc32c(data):
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tlv(tag, contents):
    n = len(contents)
    if n < 128:
        length = bytes([n])
    else:
        octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + contents


def ia5(text): return tlv(0x16, text.encode())
def octets(data): return tlv(0x04, data)
def integer(n): return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big"))
def sequence(*parts): return tlv(0x30, b"".join(parts))
def set_of(parts): return tlv(0x31, b"".join(sorted(parts)))
def attribute(name, *values): return sequence(ia5(name), *values) if values else ia5(name)


def hkdf(key, info, length):
    return HKDF(hashes.SHA256(), length, UUID, info).derive(key)


def purpose(name, length):
    return hkdf(MASTER, name + (1).to_bytes(8, "big"), length)


CRC, MAC, COMMIT = b"CRC!", b"M" * 32, b"C" * 32  # places, filled in once the octets around them are final


def entry(type_, name, seq, index, count, durable, size, data, mandatory=(), optional=()):
    number = seq.to_bytes(8, "big") + index.to_bytes(2, "big") + count.to_bytes(2, "big") + durable.to_bytes(8, "big")
    nvram = sequence(
        ia5(type_),
        set_of([attribute("seq", octets(number)), attribute("realsize", octets(size.to_bytes(8, "big"))), *mandatory]),
        set_of([attribute("crc32c", octets(CRC)), *optional]),
        octets(data))
    return sequence(nvram, tlv(0x0C, name.encode()) if name else b"")


def finish(raw):
    zero = raw.replace(CRC, bytes(4))
    assert raw.count(CRC) == 1
    return raw.replace(CRC, crc32c(SALT + zero).to_bytes(4, "big"))


def sealed(type_, name, plain, *numbers):
    place = b"P" * (16 + max(1, len(plain)))
    raw = entry(type_, name, *numbers, len(plain), place,
                [attribute("enc", ia5("aes-256-siv"), integer(1))])
    before, after = raw.replace(CRC, bytes(4)).split(place)
    box = AESSIV(purpose(b"seal", 64)).encrypt(plain or b"\0", [UUID, before, after])
    return finish(raw.replace(place, box))


def clear(type_, name, data, *numbers, bound=True, mandatory=(), optional=()):
    extra = [attribute("mac", octets(MAC))] if bound else []
    raw = entry(type_, name, *numbers, 0 if mandatory else len(data), data or b"\0", mandatory, [*extra, *optional])
    if bound:
        zero = raw.replace(CRC, bytes(4)).replace(MAC, bytes(32))
        raw = raw.replace(MAC, hmac.new(purpose(b"clear", 32), UUID + zero, hashlib.sha256).digest())
    return finish(raw)


def header(*numbers, base):
    return finish(entry("blobstore", "", *numbers, 16, UUID,
                        [attribute("format", integer(1)), attribute("salt", octets(SALT))],
                        [attribute("base", integer(base)), attribute("created", integer(1700000000))]))


def key_slot(name, role, secret, salt, *numbers):
    out = subprocess.run(["argon2", salt.decode(), "-id", "-t", "1", "-k", "8192", "-p", "1", "-l", "64", "-v", "13", "-r"],
                         input=secret, capture_output=True, check=True)
    stretched = bytes.fromhex(out.stdout.decode())
    place = b"P" * 48
    raw = entry("keyslot", name, *numbers, 32, place,
                [attribute("kdf", ia5("argon2id"), integer(8192), integer(1), integer(1), octets(salt)),
                 attribute("commit", octets(COMMIT)),
                 attribute("epoch", integer(1), octets(purpose(b"digest", 32)))],
                [attribute("role", ia5(role))])
    zero = raw.replace(CRC, bytes(4)).replace(COMMIT, bytes(32)).replace(place, bytes(48))
    raw = raw.replace(COMMIT, hmac.new(stretched[32:], zero, hashlib.sha256).digest())
    before, after = raw.replace(CRC, bytes(4)).split(place)
    return finish(raw.replace(place, AESSIV(hkdf(stretched[:32], b"wrap", 64)).encrypt(MASTER, [UUID, before, after])))


def free(total):
    for data in range(total):
        one = sequence(sequence(ia5("free"), set_of([]), set_of([]), octets(bytes(data))))
        if len(one) == total:
            return one
        if len(one) > total:
            break
    return free(17) + free(total - 17)


def store():
    file, pieces = b"\x31\x80", [(0, 2, "the store begins")]

    def add(raw, what):
        nonlocal file
        pieces.append((len(file), len(raw), what))
        file += raw

    ends = []
    slots = [(f"keyslot/{i + 1}", *SECRETS[i]) for i in range(2)]
    add(header(1, 0, 6, 0, base=6), "header, first copy")
    ends.append(len(file))
    for i, slot in enumerate(slots):
        add(key_slot(*slot, 2 + i, 1 + i, 6, 0), f"{slot[0]} ({slot[1]}), first copy")
        ends.append(len(file))

    def apart(end):
        if len(file) - end < 4096:
            add(free(max(17, 4096 - (len(file) - end))), "free entry that keeps two copies apart")

    apart(ends[0])
    add(header(4, 3, 6, 0, base=6), "header, second copy")
    for i, slot in enumerate(slots):
        apart(ends[1 + i])
        add(key_slot(*slot, 5 + i, 4 + i, 6, 0), f"{slot[0]} ({slot[1]}), second copy")
    add(clear("token", "token/info", b"golden token", 7, 0, 2, 6), "a clear entry with a MAC")
    add(sealed("tpm2-permall", "tpm0/permall", b"the TPM's state", 8, 1, 2, 6), "a sealed entry, of the same transaction")
    add(clear("p11-object", "obj/gone", b"deleted below", 9, 0, 1, 8), "an entry that is deleted below")
    add(sealed("p11-object", "obj/empty", b"", 10, 0, 1, 9), "a sealed entry without plain text")
    add(clear("p11-object", "obj/gone", b"\0", 11, 0, 1, 10, mandatory=[attribute("del")]), "a tombstone")
    add(clear("vpd", "nic0/eeprom", b"\x52\x54\x00\x12\x34\x56", 65548, 0, 1, 11, bound=False,
              optional=[attribute("colour", ia5("blue"))]),
        "another device's entry, written without the key after an unclean end, with an attribute of its own")
    add(free(FILE_OCTETS - 2 - len(file)), "the free entry")
    add(b"\0\0", "the store ends")
    return file, pieces


def example(file, pieces):
    for at, length, what in pieces:
        print(f"\n{at:#06x}, {length} bytes: {what}\n```hexdump")
        for line in range(at, at + length, 16):
            part = file[line:min(line + 16, at + length)]
            if any(part):
                print(f"{line:04x}  {part.hex(' ')}")
        if not any(file[at:at + length]):
            print(f"{at:04x}  {file[at:at + length].hex(' ')}")
        print("```")


if __name__ == "__main__":
    octets_of_file, parts = store()
    if "--example" in sys.argv:
        example(octets_of_file, parts)
    else:
        Path(__file__).with_name("golden-1.vtpm").write_bytes(octets_of_file)
