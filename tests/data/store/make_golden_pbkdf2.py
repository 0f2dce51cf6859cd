#!/usr/bin/env python3
"""Writes golden-pbkdf2.vtpm as docs/format.md describes it, without any code of the store: key slots of PBKDF2, entries with
a capacity (padded inside the seal), and attributes that no version knows, on every kind of entry.

The companion of make_golden.py, whose second implementation of the format it uses. SO PIN `so secret`, user PIN `1234`,
master key `40 41 42 … 5f`.
"""
import hashlib
import hmac
from pathlib import Path

import make_golden as golden
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from make_golden import (COMMIT, CRC, MAC, MASTER, SALT, SECRETS, UUID, attribute, entry, finish, free, hkdf, ia5, integer,
                         octets, purpose)

ITERATIONS = 10000
FILE_OCTETS = 12288
# A name alone, a text, and two values of other types: none of them means anything to the store.
UNKNOWN = [attribute("x-flag"), attribute("colour", ia5("blue")), attribute("x-pair", integer(258), octets(b"\x00\xff"))]


def key_slot(name, role, secret, salt, *numbers):
    stretched = hashlib.pbkdf2_hmac("sha256", secret, salt, ITERATIONS, 64)
    place = b"P" * 48
    raw = entry("keyslot", name, *numbers, 32, place,
                [attribute("kdf", ia5("pbkdf2"), integer(ITERATIONS), octets(salt)),
                 attribute("commit", octets(COMMIT)),
                 attribute("epoch", integer(1), octets(purpose(b"digest", 32)))],
                [attribute("role", ia5(role)), *UNKNOWN])
    zero = raw.replace(CRC, bytes(4)).replace(COMMIT, bytes(32)).replace(place, bytes(48))
    raw = raw.replace(COMMIT, hmac.new(stretched[32:], zero, hashlib.sha256).digest())
    before, after = raw.replace(CRC, bytes(4)).split(place)
    return finish(raw.replace(place, AESSIV(hkdf(stretched[:32], b"wrap", 64)).encrypt(MASTER, [UUID, before, after])))


def sealed(type_, name, plain, capacity, *numbers):
    place = b"P" * (16 + capacity)  # 64 leaves 80 octets, whose length octet is a P, too: not that one
    raw = entry(type_, name, *numbers, len(plain), place, [attribute("enc", ia5("aes-256-siv"), integer(1))],
                [attribute("capacity", integer(capacity)), *UNKNOWN])
    before, after = raw.replace(CRC, bytes(4)).split(place)
    box = AESSIV(purpose(b"seal", 64)).encrypt(plain + bytes(capacity - len(plain)), [UUID, before, after])
    return finish(raw.replace(place, box))


def clear(type_, name, data, capacity, *numbers, bound):
    extra = [attribute("mac", octets(MAC))] if bound else []
    raw = entry(type_, name, *numbers, len(data), data + b"?" * (capacity - len(data)), (),
                [attribute("capacity", integer(capacity)), *extra, *UNKNOWN])
    if bound:
        zero = raw.replace(CRC, bytes(4)).replace(MAC, bytes(32))
        raw = raw.replace(MAC, hmac.new(purpose(b"clear", 32), UUID + zero, hashlib.sha256).digest())
    return finish(raw)


def header(*numbers):
    return finish(entry("blobstore", "", *numbers, 16, UUID,
                        [attribute("format", integer(1)), attribute("salt", octets(SALT))],
                        [attribute("base", integer(6)), attribute("created", integer(1700000000)), *UNKNOWN]))


def store():
    slots = [(f"keyslot/{i + 1}", *SECRETS[i]) for i in range(2)]
    file = b"\x31\x80" + header(1, 0, 6, 0)
    ends = [len(file)]
    for i, slot in enumerate(slots):
        file += key_slot(*slot, 2 + i, 1 + i, 6, 0)
        ends.append(len(file))
    for i, copy in enumerate([header(4, 3, 6, 0)] + [key_slot(*slot, 5 + k, 4 + k, 6, 0) for k, slot in enumerate(slots)]):
        if len(file) - ends[i] < 4096:
            file += free(max(17, 4096 - (len(file) - ends[i])))
        file += copy
    file += clear("token", "token/info", b"bound", 16, 7, 0, 3, 6, bound=True)
    file += sealed("tpm2-permall", "tpm0/permall", b"sealed", 48, 8, 1, 3, 6)
    file += clear("2d4b1c6e-7d0c-4f0e-9a51-0d2f3c8a6b17", "nic0/eeprom", b"unbound", 32, 9, 2, 3, 6, bound=False)
    return file + free(FILE_OCTETS - 2 - len(file)) + b"\0\0"


if __name__ == "__main__":
    assert golden.MASTER == MASTER
    Path(__file__).with_name("golden-pbkdf2.vtpm").write_bytes(store())
