#!/usr/bin/env python3
"""Writes golden-raw.vtpm, a store of a raw key and AES-CBC, as docs/format.md describes it, without any code of the store.

The companion of make_golden.py, whose second implementation of the format it uses. Raw key: 000102 … 17 (192 bits).
"""
import hashlib
import hmac
from pathlib import Path

import make_golden as golden
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from make_golden import COMMIT, CRC, SALT, UUID, attribute, entry, finish, free, ia5, integer, octets

KEY = bytes(range(24))
golden.MASTER = KEY  # what its `purpose` derives from
TAG = b"T" * 32


def header(*numbers):
    return finish(entry("blobstore", "", *numbers, 16, UUID,
                        [attribute("format", integer(1)), attribute("salt", octets(SALT)), attribute("cipher", ia5("aes-cbc"))],
                        [attribute("base", integer(4)), attribute("created", integer(1700000000))]))


def raw_slot(*numbers):
    return finish(entry("keyslot", "keyslot/1", *numbers, 0, b"\0",
                        [attribute("kdf", ia5("raw"), integer(len(KEY))),
                         attribute("epoch", integer(1), octets(golden.purpose(b"digest", 32)))]))


def sealed(type_, name, plain, iv, *numbers):
    padded = plain + bytes(-len(plain) % 16 or (0 if plain else 16))
    encryptor = Cipher(algorithms.AES(golden.purpose(b"cbc", len(KEY))), modes.CBC(iv)).encryptor()
    box = encryptor.update(padded) + encryptor.finalize()
    raw = entry(type_, name, *numbers, len(plain), box + TAG,
                [attribute("enc", ia5("aes-cbc"), integer(1), octets(iv))])
    zero = raw.replace(CRC, bytes(4)).replace(TAG, bytes(32))
    return finish(raw.replace(TAG, hmac.new(golden.purpose(b"cbc-mac", 32), UUID + zero, hashlib.sha256).digest()))


def store():
    file = b"\x31\x80" + header(1, 0, 4, 0)
    header_end = len(file)
    file += raw_slot(2, 1, 4, 0)
    slot_end = len(file)
    file += free(max(17, 4096 - (len(file) - header_end))) + header(3, 2, 4, 0)
    file += free(max(17, 4096 - (len(file) - slot_end))) + raw_slot(4, 3, 4, 0)
    file += sealed("tpm2-permall", "tpm0/permall", b"sixteen octets..", b"a random IV, 16!", 5, 0, 2, 4)
    file += sealed("vpd", "vpd0/serial", b"", b"another IV of 16", 6, 1, 2, 4)
    file += golden.clear("nic", "nic0/eeprom", b"\x52\x54\x00\x12\x34\x56", 7, 0, 1, 6)
    return file + free(8192 - 2 - len(file)) + b"\0\0"


if __name__ == "__main__":
    assert COMMIT not in store()
    Path(__file__).with_name("golden-raw.vtpm").write_bytes(store())
