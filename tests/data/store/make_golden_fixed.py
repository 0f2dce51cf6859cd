#!/usr/bin/env python3
"""Writes golden-fixed.vtpm, a store in the fixed-capacity layout, as docs/format.md describes it, without any code of the
store.

The companion of make_golden_pbkdf2.py: the same secrets. Every name stands twice; of `nic0/eeprom` the first entry is the
newer one, of the others the second.
"""
from pathlib import Path

import make_golden_pbkdf2 as golden
from make_golden import SALT, SECRETS, UUID, attribute, entry, finish, ia5, integer, octets


def header(*numbers):
    return finish(entry("blobstore", "", *numbers, 16, UUID,
                        [attribute("format", integer(1)), attribute("salt", octets(SALT)), attribute("fixed")],
                        [attribute("base", integer(9)), attribute("created", integer(1700000000)), *golden.UNKNOWN]))


def half(copy, info, permanent, eeprom):
    """`copy`: 0 or 1. The others: number and contents."""
    out = header(1 + 3 * copy, 3 * copy, 6, 0)
    for i, slot in enumerate(SECRETS):
        out += golden.key_slot(f"keyslot/{i + 1}", *slot, 2 + i + 3 * copy, 1 + i + 3 * copy, 6, 0)
    out += golden.clear("token", "token/info", info[1], 16, info[0], 0, 1, 9, bound=True)
    out += golden.sealed("tpm2-permall", "tpm0/permall", permanent[1], 48, permanent[0], 0, 1, 9)
    out += golden.clear("2d4b1c6e-7d0c-4f0e-9a51-0d2f3c8a6b17", "nic0/eeprom", eeprom[1], 32, eeprom[0], 0, 1, 9, bound=False)
    return out


def store():
    first = half(0, (70001, b"bound"), (70002, b"older"), (70009, b"newer"))
    second = half(1, (70004, b"bound"), (70008, b"sealed"), (70006, b"older"))
    assert len(first) == len(second)
    return b"\x31\x80" + first + second + b"\0\0"


if __name__ == "__main__":
    Path(__file__).with_name("golden-fixed.vtpm").write_bytes(store())
