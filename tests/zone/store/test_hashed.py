"""
Tests of how the names of one of many parts of a zone are found.
"""

from __future__ import annotations

from zlib import crc32

import pytest

from tests.zone.changing import APEX, record, versionOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

_SOA = "@ 3600 SOA ns1 hostmaster 10 3600 600 86400 300\n@ 3600 NS ns1\nns1 3600 A 192.0.2.1\n"


def changed(version: Version) -> Version:
    """
    Return a version in which names have come, gone and changed.
    """
    transaction = Transaction(version)
    for number in range(40):
        transaction.add(record(f"new{number} 60 A 192.0.2.1"))
    for number in range(0, 30, 3):
        transaction.removeName(nameFromText(f"h{number}", APEX))
        transaction.add(record(f"h{number + 1} 60 A 192.0.2.2"))
    made = transaction.commit()
    assert made is not None
    return made[0]


@pytest.mark.parametrize("names", [0, 1, 30, 3000])
@pytest.mark.parametrize("count", [1, 8, 4096])
def test_eachNameIsInOnePart(names: int, count: int) -> None:
    """
    Each name is found in the part that its checksum says, once, and in no other; also those that were changed since the image was built.
    """
    version = versionOf(_SOA + "".join([f"h{number} 60 A 192.0.2.1\n" for number in range(names)]))
    for each in (version, changed(version)) if names else (version,):
        parts = {value: [*each.hashedTo(value, count)] for value in range(count)}
        assert all(crc32(key) & count - 1 == value for value, keys in parts.items() for key in keys)
        found = [key for keys in parts.values() for key in keys]
        assert sorted(found) == sorted([node.key for node in each.nodes()])
