"""
Zones out and in by transfer.

    python -m benchmarks.transfers [records]

A zone with as many records, a million where nothing is said: making the messages of its AXFR, plain and signed with HMAC-SHA256, and
making an image in memory of what comes. A row has records for each second of processor time.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.tsig import Key, StreamSigning, signatureSize
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.ingest import gathered
from twisted_ext.zone.transfer.sender import Envelope, recordsOf

_APEX = nameFromText("bench.example")
_QUESTION = _APEX + b"\x00\xfc\x00\x01"


def version(records: int) -> Version:
    """
    @return: a zone with this many records.
    """
    builder = ImageBuilder(_APEX)
    builder.add(b"", 6, 3600, rdataFromText(6, "ns.bench.example. mail.bench.example. 1 3600 600 86400 300"))
    builder.add(b"", 2, 3600, rdataFromText(2, "ns.bench.example."))
    for number in range(records - 2):
        label = b"h%d" % number
        builder.add(bytes([len(label)]) + label, 1, 3600, number.to_bytes(4, "big"))
    return Version(Image(builder.finish()))


def timed(what: str, records: int, step: Callable[[], object]) -> None:
    """
    Do it once, and print how many records a second that makes.
    """
    gc.collect()
    gc.disable()
    began = time.process_time()
    step()
    seconds = time.process_time() - began
    gc.enable()
    print(f"{what:<24}{records / seconds:>14,.0f} records/s{seconds * 1000:>10.1f} ms")


def main() -> int:
    """
    @return: the exit code.
    """
    records = int(sys.argv[1]) if sys.argv[1:] else 1_000_000
    zone = version(records)
    sent: list[bytes] = []
    timed("out", records, lambda: sent.extend(Envelope(1, 0, _QUESTION).messages(recordsOf(zone))))
    key = Key(b"\x03key\x00", bytes(32))
    signing = StreamSigning(key, bytes(32))

    def signed() -> None:
        envelope = Envelope(1, 0, _QUESTION, most=65_535 - signatureSize(key), seal=lambda octets: signing.sign(octets, 0))
        for _ in envelope.messages(recordsOf(zone)):
            pass

    timed("out, signed", records, signed)
    timed("in, to an image", records, lambda: gathered(_APEX, sent).finish())
    return 0


if __name__ == "__main__":
    sys.exit(main())
