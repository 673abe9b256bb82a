"""
The page where a whole zone is changed as the text of a master file, and the file itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred

from twisted_ext.errors import BadChange
from twisted_ext.server.zones.update.edits import NotEditable, StaleEdit, etagOf
from twisted_ext.web.console.pages.zones.pages import expectZone, linesOf, pathOf, setOf, whyNot
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply, leadingTo
from twisted_ext.zone.check.checkfile import vet
from twisted_ext.zone.sign.sets import besideMade, changedBesideMade
from twisted_ext.zone.store.changeset import setsOf
from twisted_ext.zone.store.nodes import keyBelow
from twisted_ext.zone.store.serials import isNewer, serialIn, withSerial
from twisted_ext.zone.store.traversal import difference
from twisted_ext.zone.zone import Zone
from twisted_ext.zone.zonefile.writer import readableFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.server.zones.table.zonetable import Place
    from twisted_ext.server.zones.update.commit import Elsewhere
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.check.checkfile import CheckResult
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.update.transactions import Transaction
    from twisted_ext.zone.zonefile.findings import Finding

__all__ = ["ZoneTextPage"]

#: Records of a zone that is changed as a whole; their text is less than a form may have.
_RECORDS: Final = 15_000

#: Records of a file that is sent: some 5 MB, which are written in half a second.
_FILE_RECORDS: Final = 100_000

#: Findings of the check that the page has.
_FINDINGS: Final = 50

#: Lines that would read files of the server, and those that make records of others, which a short text could have millions of.
_REFUSED: Final = re.compile(r"^[ \t]*(\$INCLUDE|\$GENERATE)\b", re.IGNORECASE | re.MULTILINE)


class ZoneTextPage:
    """
    Makes the page, and does what its form asks for.
    """

    def __init__(self, operations: Operations, elsewhere: Elsewhere) -> None:
        """
        @param elsewhere: runs work in a thread.
        """
        self._operations = operations
        self._elsewhere = elsewhere

    def show(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._show(text))

    async def _show(self, text: str) -> ConsoleReply:
        place, version = expectZone(self._operations, text)
        if version.recordCount > _RECORDS:
            said = f"{place.text} has {version.recordCount:,} records, more than the {_RECORDS:,} that can be changed as one text."
            raise ConsoleRefusal(422, f"{said} Change them one by one.")
        return self._page(place, await self._written(place, version), etagOf(version))

    def file(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._file(text))

    async def _file(self, text: str) -> ConsoleReply:
        place, version = expectZone(self._operations, text)
        if version.recordCount > _FILE_RECORDS:
            said = f"{place.text} has {version.recordCount:,} records, more than the {_FILE_RECORDS:,} that are sent as a file."
            raise ConsoleRefusal(422, f"{said} A transfer of the zone has them all.")
        octets = (await self._written(place, version)).encode("utf-8")
        name = re.sub(r"[^A-Za-z0-9._-]", "_", place.text.rstrip(".")) or "root"
        return ConsoleReply(octets=octets, kind=b"text/dns; charset=utf-8", name=f"{name}.zone")

    def _isSigned(self, place: Place) -> bool:
        """
        Return whether a zone is signed here, so that its text is that of the unsigned zone.
        """
        return setOf(self._operations, place).originOf(place.apex)[1]

    async def _written(self, place: Place, version: Version) -> str:
        isSigned = self._isSigned(place)

        def write() -> str:
            sets = [rrset for node in version.nodes() for rrset in besideMade(node, isSigned)]
            return "\n".join(readableFile(sets, version.apexName, version.image.aliases)) + "\n"

        return str(await self._elsewhere(write))

    def _page(self, place: Place, text: str, etag: str, code: int = 200, **more: object) -> ConsoleReply:
        values: dict[str, object] = {
            "title": f"Text of {place.text}",
            "place": place,
            "path": pathOf(place.text),
            "text": text,
            "etag": etag,
            "why": whyNot(self._operations, place),
            "difference": None,
            "findings": [],
            "fault": "",
            "theirs": None,
        }
        return ConsoleReply(values | more, code)

    def change(self, asked: ConsoleAsked, text: str) -> Deferred[ConsoleReply]:
        """
        Show what a text would change, or change it.
        """
        return Deferred.fromCoroutine(self._change(asked, text))

    async def _change(self, asked: ConsoleAsked, name: str) -> ConsoleReply:
        place, former = expectZone(self._operations, name)
        text, etag = asked.form.get("text", ""), asked.form.get("etag", "")
        isDry = asked.form.get("action", "") != "apply"
        if refused := _REFUSED.search(text):
            line = text.count("\n", 0, refused.start()) + 1
            return self._page(place, text, etag, 422, fault=f"Line {line}: {refused[1].upper()} is not taken here; write the records.")
        apex = former.apexName
        vetted = cast("CheckResult", await self._elsewhere(lambda: vet(text.encode("utf-8"), apex)))
        findings = [_textOf(each) for each in vetted.report.findings[:_FINDINGS]]
        after = vetted.version
        if after is None or vetted.report.fatal:
            return self._page(place, text, etag, 422, fault="This text is not a valid zone.", findings=findings)
        isSigned = self._isSigned(place)

        def compare() -> tuple[Version, Difference]:
            # What the text has of the signer is ignored: it may be that of a transfer, or of a file that was signed elsewhere.
            wanted, before = [_plain(each) if isSigned else each for each in (after, former)]
            return wanted, difference(before, wanted)

        wanted, found = cast("tuple[Version, Difference]", await self._elsewhere(compare))

        def apply(transaction: Transaction) -> None:
            take(transaction, wanted, (*found.removed, *found.added))

        assert asked.user is not None
        asked.told = {"zone": place.text, "dry": isDry}
        who = f"console by {asked.user.name}"
        try:
            edits = setOf(self._operations, place).edits()
            edited = await edits.change(place.apex, apply, door="console", who=who, match=etag or "-", dry=isDry)
        except StaleEdit as fault:
            return self._stale(place, fault.version, text, etag, found)
        except (BadChange, NotEditable) as fault:
            return self._page(place, text, etag, 422, fault=str(fault), findings=findings)
        if isDry:
            lines = [] if edited.difference is None else linesOf(edited.difference)
            return self._page(place, text, etag, difference=lines, findings=findings)
        asked.told |= {"before": edited.before, "serial": edited.version.serial}
        return leadingTo(pathOf(place.text), f"It is at serial {edited.version.serial} now.")

    def _stale(self, place: Place, now: Version, text: str, etag: str, ours: Difference) -> ConsoleReply:
        """
        Show what others have changed meanwhile, as far as that is kept, and what the text would change now.
        """
        serial = etag.strip('"').partition("-")[0]
        kept = setOf(self._operations, place).changesOf(place.apex) if serial.isdigit() else None
        between = None if kept is None else kept.since(int(serial))
        if between is not None and self._isSigned(place):
            between = [changedBesideMade(each, place.apex) for each in between]
        theirs = None if between is None else [line for each in between for line in linesOf(each)]
        fault = f"Someone else has changed the zone meanwhile: it is at serial {now.serial}. This would take their changes back."
        more = {"fault": fault, "theirs": theirs, "difference": linesOf(ours)}
        return self._page(place, text, etagOf(now), 412, **more)


def _plain(version: Version) -> Version:
    """
    Return a version without what a signer makes.
    """
    sets = [rrset for node in version.nodes() for rrset in besideMade(node, True)]
    return Zone.fromRecords(version.apexName, sets).current


def _textOf(finding: Finding) -> str:
    parts = (f"Line {finding.line}" if finding.line else "", "" if finding.fatal else "warning", finding.subject, finding.text)
    return ": ".join([each for each in parts if each])


def take(transaction: Transaction, wanted: Version, changed: Iterable[RRSet]) -> None:
    """
    Make the RRsets of some names and types what they are in another version, and the SOA record too, but for its serial number, which stays
    if it is not newer.
    """
    for rrset in changed:
        key = keyBelow(rrset.name, wanted.apex)
        assert key is not None
        sets = {kind: each for kind, each in setsOf(wanted.find(key)).items() if each.rrType == rrset.rrType}
        for kind, present in list(transaction.setsAt(key).items()):
            if present.rrType == rrset.rrType and kind not in sets:
                transaction.remove(present)
        for each in sets.values():
            transaction.replace(each)
    before = transaction.version.soa
    soa, serial = wanted.soa, serialIn(before.rdatas[0])
    if not isNewer(serialIn(soa.rdatas[0]), serial):
        soa = soa.withRdatas((withSerial(soa.rdatas[0], serial),))
    transaction.replace(soa)
