"""
Tests of L{twisted_ext.zone.sign.child} as a process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from twisted_ext.dnssec.algorithms import ECDSA_P256, ED25519
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.sign.frames import DONE, FAILED, HEAD, LENGTH, OPEN, SIGN, SIZE, WANTED

_NOW = 1_900_000_000


class Process:
    """
    The process, which is asked one thing after the other.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self.number = 0

    def ask(self, kind: int, rest: bytes) -> tuple[int, bytes]:
        """
        Return the status and the result.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self.number += 1
        self._process.stdin.write(SIZE.pack(HEAD.size + len(rest)) + HEAD.pack(self.number, kind) + rest)
        self._process.stdin.flush()
        size = SIZE.unpack(self._process.stdout.read(SIZE.size))[0]
        frame = self._process.stdout.read(size)
        number, status = HEAD.unpack_from(frame)
        assert number == self.number
        return status, frame[HEAD.size :]

    def open(self, folder: Path, zone: str = "example.org.") -> tuple[int, bytes]:
        """
        Open the keys of a zone.
        """
        return self.ask(OPEN, json.dumps({"folder": str(folder), "zone": zone, "now": _NOW, "served": None, "ttl": 0}).encode())


@contextmanager
def child() -> Iterator[Process]:
    """
    Start the process, and end its input at the end.
    """
    words = [sys.executable, "-m", "twisted_ext.zone.sign.child"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield Process(process)
        _, said = process.communicate()
        assert (process.returncode, said) == (0, b"")


def test_signs(tmp_path: Path) -> None:
    """
    It signs with the keys of several zones, and ends with its input. No core file of it is written.
    """
    keys: dict[str, str] = {}
    with child() as process:
        for zone, algorithm in (("example.org.", ECDSA_P256), ("example.net.", ED25519)):
            folder = tmp_path / zone
            folder.mkdir()
            made = makeKeys(str(folder), nameFromText(zone), algorithm, _NOW - 1)
            status, result = process.open(folder, zone)
            assert status == DONE
            said = json.loads(result)
            keys[zone] = made[0].key.dnskey.hex()
            assert (said["keys"], said["turns"]) == ([[keys[zone], True, True, True]], [[0.0, [0]]])
            assert [path for path, _, _ in said["sources"]] == [str(folder), made[0].key.source or str(next(folder.glob("*.private")))]
        for number, zone in ((1, "example.org."), (2, "example.net.")):
            data = b"x" * 100_000
            status, result = process.ask(SIGN, SIZE.pack(number) + WANTED.pack(0, len(data)) + data)
            assert status == DONE
            signature = result[LENGTH.size :]
            assert LENGTH.unpack_from(result)[0] == len(signature)
            assert ZoneKey(bytes.fromhex(keys[zone])).verify(signature, data)
        limits = Path(f"/proc/{process.pid}/limits")
        if limits.exists():
            assert "Max core file size        0                    0" in limits.read_text()


@pytest.mark.parametrize(
    ("kind", "rest"),
    [
        (OPEN, b""), (OPEN, b"[]"), (OPEN, b"{}"), (OPEN, b"\xff"),
        (SIGN, b""), (SIGN, SIZE.pack(9)), (SIGN, SIZE.pack(1) + WANTED.pack(7, 0)), (SIGN, SIZE.pack(1) + WANTED.pack(0, 9) + b"x"),
        (SIGN, SIZE.pack(1) + b"\x00"), (77, b""),
    ],
)  # fmt: skip
def test_malformed(kind: int, rest: bytes, tmp_path: Path) -> None:
    """
    A request that is malformed fails, and the next one is answered.
    """
    makeKeys(str(tmp_path), nameFromText("example.org"), ECDSA_P256, _NOW - 1)
    with child() as process:
        assert process.open(tmp_path)[0] == DONE
        status, said = process.ask(kind, rest)
        assert (status, said) == (FAILED, b"the request is malformed")
        assert process.open(tmp_path)[0] == DONE


def test_missingFolder(tmp_path: Path) -> None:
    """
    Keys that cannot be read fail with the reason.
    """
    with child() as process:
        status, said = process.open(tmp_path / "none")
        assert status == FAILED and b"No such file or directory" in said
