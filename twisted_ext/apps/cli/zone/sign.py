"""
C{txdns zone sign}: signs a zone with DNSSEC.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from time import process_time, time
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.keys.made import ALGORITHM, SPLIT, dsText, keyErrors, roleOf
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.apps.cli.zone.args import BAD_ZONE, Percentage, oneZone
from twisted_ext.errors import BadDescription, BadKey
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.times import secondsFromDate, secondsFromDuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted_ext.apps.cli.terminal.arguments import Given
    from twisted_ext.dnssec.privatekeys.keys import PrivateKey
    from twisted_ext.zone.sign.policy import SigningPolicy
    from twisted_ext.zone.sign.signing import Signing
    from twisted_ext.zone.sign.whole import SignedCounts
    from twisted_ext.zone.store.imagebuilder import ImageBuilder

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns zone sign [NAME=]FILE --output SIGNED --keys FOLDER

Signs a zone with DNSSEC: adds its keys, a chain of NSEC or NSEC3 records and all signatures, and
writes a master file, or an image if SIGNED ends with .image. Keys in the folder have the form of
those of BIND's tools; if it has none of the zone, they are made, unless SIGNED is there already.
Signatures in FILE are replaced.

  txdns zone sign example.org.zone --output example.org.signed --keys /etc/keys
  txdns zone sign example.org=/etc/zones/primary -o signed --keys /etc/keys --serial unixtime

{options}

Run it again before signatures end, such as once a day: those of a name are made anew once in
each period of --renew, and stay the same in between. The same zone, keys and time give the same
file.

Exit codes: 0 the zone is signed, 1 wrong usage, 2 the file does not hold a zone that can be
signed, 8 a file cannot be read or written, or a key cannot be used.
"""


def _duration(text: str) -> int:
    try:
        return secondsFromDuration(text)
    except ValueError:
        raise BadDescription(f"{text!r} is not a time; write 21d, 12h or 3600") from None


def _when(text: str) -> int:
    try:
        return int(text) if len(text) < 14 and text.isascii() and text.isdigit() else secondsFromDate(text)
    except ValueError:
        raise BadDescription(f"{text!r} is not a date; write 20261125120000, or seconds since 1970") from None


def _chain(text: str) -> str:
    from twisted_ext.zone.sign.policy import DENIALS

    if text not in DENIALS:
        raise BadDescription(f"{text!r} is not a way to deny names; write one of {', '.join(DENIALS)}")
    return text


def _way(text: str) -> str:
    from twisted_ext.zone.store.serials import SERIALS

    if text not in ("keep", *SERIALS):
        raise BadDescription(f"{text!r} is not a way to choose a serial; write one of keep, {', '.join(SERIALS)}")
    return text


_OUTPUT: Final = Option("--output SIGNED", "the file to write", "", str, also="-o", what="a file")
_KEYS: Final = Option("--keys FOLDER", "the folder of keys; it is made if it is missing", "", str, what="a folder")
_SERIAL: Final = Option(
    "--serial HOW",
    "keep, the default; or increment, unixtime or dateserial for a new one",
    "keep",
    _way,
    what="keep, increment, unixtime or dateserial",
    words=("keep", "increment", "unixtime", "dateserial"),
)
_DENIAL: Final = Option(
    "--denial HOW",
    "how names are denied: nsec, the default; nsec3, which hides them; or nsec3-opt-out, for many delegations that are not signed",
    "nsec",
    _chain,
    what="nsec, nsec3 or nsec3-opt-out",
    words=("nsec", "nsec3", "nsec3-opt-out"),
)
_CDS: Final = flag("--cds", "add CDS and CDNSKEY records, by which parents that look for them take the DS record (RFC 7344)")
_ZONEMD: Final = flag("--zonemd", "add a ZONEMD record with the digest of the zone (RFC 8976)")
_SIGNATURES: Final = Option("--signatures TIME", "how long a signature is valid; 21d by default", 21 * 86400, _duration, what="a time")
_RENEW: Final = Option("--renew TIME", "after how long it is made anew; 7d by default", 7 * 86400, _duration, what="a time")
_NOW: Final = Option[int | None]("--now TIME", "sign as at this time, such as 20261125120000", None, _when, what="a time")

ARGUMENTS: Final = Arguments(_HELP, _OUTPUT, _KEYS, ALGORITHM, SPLIT, _DENIAL, _CDS, _ZONEMD, _SERIAL, _SIGNATURES, _RENEW, _NOW)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    zone = oneZone(given, ARGUMENTS)
    output, folder = given[_OUTPUT], given[_KEYS]
    for option, value in (("--output", output), ("--keys", folder)):
        if not value:
            raise ExitError(USAGE, f"{option} is missing; write: {ARGUMENTS.usage}")
    policy = _policy(given)
    zone.readable()
    at = given[_NOW]
    now = time() if at is None else at
    reading = zone.content()
    signing, note = _signing(folder, zone.apex, now, policy, output)
    began = process_time()
    counts = _sign(reading.builder, signing, now, given[_SERIAL], zone.path)
    _write(reading.builder, output)
    with keyErrors(folder):
        note()
    print(_said(reading.builder, counts, process_time() - began))
    for key in signing.signers.entries:
        print(f"the parent needs: {dsText(zone.apex, key)}")
    return OK


def _policy(given: Given) -> SigningPolicy:
    from twisted_ext.dnssec.privatekeys.validity import Validity
    from twisted_ext.zone.sign.policy import SigningPolicy

    try:
        validity = Validity(given[_SIGNATURES], given[_RENEW])
    except ValueError as error:
        raise ExitError(USAGE, f"{error}; write a longer --signatures, or a shorter --renew") from None
    return SigningPolicy(
        validity,
        algorithm=given[ALGORITHM],
        split=given[SPLIT],
        denial=given[_DENIAL],
        forParent=given[_CDS],
        digested=given[_ZONEMD],
    )


def _signing(folder: str, apex: bytes, now: float, policy: SigningPolicy, output: str) -> tuple[Signing[PrivateKey], Callable[[], None]]:
    """
    Return what the zone is signed with: the keys in the folder, or new ones, unless it was signed before; and what notes that it is.
    """
    from twisted_ext.dnssec.privatekeys.keyfiles import nameOf
    from twisted_ext.dnssec.privatekeys.keyfolder import lockedFolder
    from twisted_ext.dnssec.privatekeys.keyring import Keyring, makeKeys
    from twisted_ext.dnssec.rolls.ring import LivingRing
    from twisted_ext.zone.sign.signing import Signing

    with keyErrors(folder), lockedFolder(folder) if os.path.isdir(folder) or not os.path.isfile(output) else nullcontext():
        ring = LivingRing.read(folder, apex.lower()) or Keyring(folder, apex.lower(), now)
        if not ring.active and os.path.isfile(output):
            raise BadKey(
                f"{folder}: there is no key of {nameToText(apex)}, and {output} is there already; name the folder of the keys that signed "
                "it, or make one with txdns keys new"
            )
        made = [] if ring.active else makeKeys(folder, apex.lower(), policy.algorithm, now, split=policy.split)
    for file in made:
        print(f"made {nameOf(file)} ({roleOf(file.key, policy.split)})")
    ring.active += [file.key for file in made]
    for line in ring.said:
        complain(line)
    return Signing(ring.signers(), policy, tuple(ring.published)), partial(ring.note, made)


def _sign(builder: ImageBuilder, signing: Signing[PrivateKey], now: float, way: str, path: str) -> SignedCounts:
    from twisted_ext.errors import BadZone, KeyFault
    from twisted_ext.zone.check.checkfile import uneven
    from twisted_ext.zone.sign.apex import signZone
    from twisted_ext.zone.sign.whole import withoutSignatures
    from twisted_ext.zone.zonefile.findings import Report

    progress = Percentage("signing")
    try:
        gone = withoutSignatures(builder)
        if gone:
            complain(f"{path}: {gone} signatures and denials that were in it are replaced")
        if way != "keep":
            _renumber(builder, way, now)
        counts = signZone(builder, signing, now, progress)
        report = Report()
        uneven(builder.apexName, builder.uneven, report)
        for finding in report.findings:
            complain(f"{path}: {finding.subject}: {finding.text}")
        return counts
    except BadZone as wrong:
        raise ExitError(BAD_ZONE, f"{path}: {wrong}") from wrong
    except KeyFault as fault:
        raise ExitError(BATCH, str(fault)) from fault
    finally:
        progress.end()


def _renumber(builder: ImageBuilder, way: str, now: float) -> None:
    """
    Give the zone another serial.

    @raise BadZone: there is not exactly one SOA record.
    """
    from twisted_ext.zone.store.nodes import BETWEEN
    from twisted_ext.zone.store.serials import nextSerial, serialIn, withSerial

    builder.ordered()
    records = builder.nodes[b""]
    end = BETWEEN + (records[10] << 8 | records[11])
    soa = records[BETWEEN:end]
    builder.nodes[b""] = records[:BETWEEN] + withSerial(soa, nextSerial(serialIn(soa), way, now)) + records[end:]


def _write(builder: ImageBuilder, output: str) -> None:
    from twisted_ext.files import replacingFile
    from twisted_ext.zone.zonefile.writer import signedFile

    with fileErrors(output):
        if output.endswith(".image"):
            builder.finishTo(output)
            return
        with replacingFile(output) as file:
            for lines in signedFile(builder.apexName, builder.nodes.items(), builder.aliases):
                file.write(lines.encode("ascii"))


def _said(builder: ImageBuilder, counts: SignedCounts, seconds: float) -> str:
    from twisted_ext.wire.rdata.times import dateFromSeconds
    from twisted_ext.zone.store.nodes import BETWEEN
    from twisted_ext.zone.store.serials import serialIn

    records = builder.nodes[b""]
    serial = serialIn(records[BETWEEN : BETWEEN + (records[10] << 8 | records[11])])
    first, last = [dateFromSeconds(each) for each in (counts.ends, counts.last)]
    days = [f"{each[:4]}-{each[4:6]}-{each[6:8]}" for each in (first, last)]
    ends = f"on {days[0]}" if days[0] == days[1] else f"from {days[0]} to {days[1]}"
    name = nameToText(builder.apexName)
    return f"{name} serial {serial}: {counts.signatures:,} signatures for {counts.names:,} names in {seconds:.1f} s; they end {ends}"
