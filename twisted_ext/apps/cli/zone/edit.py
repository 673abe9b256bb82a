"""
C{txdns zone edit}: edits a zone stored in a database with the user's editor.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag, valueOf
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.apps.cli.zone.args import BAD_ZONE
from twisted_ext.errors import BadZone, StorageFault
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet

if TYPE_CHECKING:
    from twisted_ext.interfaces import IZoneStore
    from twisted_ext.zone.store.version import Version

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns zone edit [--store DATABASE] [--from FILE] [--yes] NAME

Opens a zone of a database in an editor (VISUAL or EDITOR), checks the result, shows the
differences, and after confirmation writes them to the database, all or none. Servers of the
zone load them within a second. A zone or database that does not exist is created.

  txdns zone edit --store zones.sqlite example.org
  txdns zone edit --store zones.sqlite --from example.org.zone --yes example.org

{options}

The serial is increased automatically. The same changes can be made with SQL in the tables zones
and records.

Exit codes: 0 done, or nothing differs; 1 wrong usage, or not confirmed; 2 the zone cannot be
served; 8 a file or the database cannot be read or written.
"""

_STORE: Final = Option(
    "--store DATABASE", "its path, or PREFIX: and what a plugin takes; by default the value of TXDNS_STORE", "", str, what="a database"
)
_FROM: Final = Option("--from FILE", "read the records from a master file instead of an editor", "", str, what="a master file")
_YES: Final = flag("--yes", "do not ask for confirmation")

ARGUMENTS: Final = Arguments(_HELP, _STORE, _FROM, _YES, exact=True)

#: The initial text of a new zone.
_TEMPLATE: Final = """\
$ORIGIN {name}
$TTL 3600
@ SOA ns1 hostmaster 1 3600 600 604800 300
@ NS ns1
ns1 A 192.0.2.1
"""


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    path = given[_STORE] or os.environ.get("TXDNS_STORE", "")
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"write exactly one zone, not {len(given.bare)}: {ARGUMENTS.usage}")
    if not path:
        raise ExitError(USAGE, f"no database; write --store DATABASE or set TXDNS_STORE: {ARGUMENTS.usage}")
    apexName = valueOf(nameFromText, given.bare[0])

    from twisted_ext.server.config.stores import describedStore, storeFrom

    described = valueOf(describedStore, path, "--store")
    try:
        if described.startswith("/"):
            from twisted_ext.server.zones.load.databases.sqlite import makeDatabase

            makeDatabase(described)
        store = storeFrom(described)
        try:
            return _Editing(store, apexName, asks=not given[_YES]).run(given[_FROM])
        finally:
            store.close()
    except (StorageFault, BadZone) as fault:
        raise ExitError(BATCH, str(fault)) from None


class _Editing:
    def __init__(self, store: IZoneStore, apexName: bytes, *, asks: bool) -> None:
        self._store = store
        self._apexName = apexName
        self._name = nameToText(apexName)
        self._asks = asks
        there = any(name.lower() == apexName.lower() for name in store.zones())
        self._sets: list[RRSet] | None = store.load(apexName) if there else None

    def run(self, source: str) -> int:
        if source:
            with fileErrors(source), open(source, encoding="utf-8") as file:
                text = file.read()
            return self._finish(text, source) or OK
        text = self._begin()
        with tempfile.NamedTemporaryFile("w+", encoding="utf-8", prefix="txdns-", suffix=".zone") as file:
            file.write(text)
            file.flush()
            while True:
                self._open(file.name)
                # Opened again: editors may replace the file.
                with open(file.name, encoding="utf-8", errors="surrogateescape") as edited:
                    code = self._finish(edited.read(), self._name)
                if code is not None:
                    return code

    def _begin(self) -> str:
        if self._sets is None:
            return _TEMPLATE.format(name=self._name)
        from twisted_ext.zone.zonefile.writer import readableFile

        return "\n".join(readableFile(self._sets, self._apexName)) + "\n"

    def _open(self, path: str) -> None:
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            done = subprocess.run([*shlex.split(editor), path], check=False)
        except (OSError, ValueError) as error:
            raise ExitError(BATCH, f"{editor}: {getattr(error, 'strerror', None) or error}; set EDITOR") from None
        if done.returncode:
            raise ExitError(BATCH, f"{editor} exited with code {done.returncode}; nothing was changed")

    def _finish(self, text: str, path: str) -> int | None:
        """
        @return: the exit code, or L{None} to edit again.
        """
        from twisted_ext.zone.check.checkfile import vet

        vetted = vet(text.encode("utf-8", "surrogateescape"), self._apexName, path=path)
        for finding in vetted.report.findings:
            complain(finding.labelled)
        after = vetted.version
        if after is None or vetted.report.fatal:
            if self._choose("This cannot be served. Edit again?", "yn", "n") == "y":
                return None
            return BAD_ZONE
        before = self._before()
        if before is not None and not self._show(before, after):
            print("Nothing is different.")
            return OK
        if before is None:
            print(f"{self._name} is new, with {after.recordCount} records.")
        choice = self._choose("Change it? (y: yes, n: no, e: edit again)", "yne", "y")
        if choice == "e":
            return None
        if choice != "y":
            return USAGE
        self._apply(before, after)
        return OK

    def _before(self) -> Version | None:
        if self._sets is None:
            return None
        from twisted_ext.zone.zone import Zone

        return Zone.fromRecords(self._apexName, self._sets).current

    def _show(self, before: Version, after: Version) -> bool:
        from twisted_ext.zone.store.diff import changes

        different = False
        for change in changes(before, after):
            different = True
            print(printable(f"{'+' if change.added else '-'} {change.text}"))
        return different

    def _choose(self, question: str, choices: str, otherwise: str) -> str:
        if not self._asks:
            return otherwise
        while True:
            print(f"{question} ", end="", flush=True)
            line = sys.stdin.readline()
            if not line:
                return "n"
            word = line.strip().lower()[:1]
            if word in choices and word:
                return word

    def _apply(self, before: Version | None, after: Version) -> None:
        from twisted_ext.zone.store.changeset import Difference
        from twisted_ext.zone.store.serials import isNewer, nextSerial, withSerial
        from twisted_ext.zone.store.traversal import difference

        if before is None:
            self._store.create(self._apexName, [rrset for node in after.nodes() for rrset in node.sets])
            print(f"{self._name}: serial {after.serial}")
            return
        found = difference(before, after)
        soa = found.after
        serial = after.serial
        if not isNewer(serial, before.serial):
            serial = nextSerial(before.serial)
            soa = RRSet(soa.name, soa.rrType, soa.rrClass, soa.ttl, (withSerial(soa.rdatas[0], serial),))
        self._store.write([Difference(found.before, found.removed, soa, found.added)])
        print(f"{self._name}: serial {before.serial} is now {serial}")
