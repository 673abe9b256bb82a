"""
Hosts files as an answer source (hosts(5); RFC 952).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.interfaces import IReactorTime
from zope.interface import classImplements

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import BadName, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import HOSTS_ADDRESSES, HOSTS_OCTETS, HOSTS_TTL, LOOK_SECONDS
from twisted_ext.resolver.ask import nothingOn
from twisted_ext.resolver.local.localanswers import Complaints, FollowedFile, addressFromReverse, known, knownAddresses
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS, ROOT, labelCount, nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, ANY, PTR, A

__all__ = ["Hosts", "HostsTable", "fieldsOf", "systemHostsPath"]

_PAUSE: Final = LOOK_SECONDS.default
_LONG_AGO: Final = float("-inf")


def systemHostsPath() -> str:
    # In a variable, since the compiler leaves out what is behind a test for another platform.
    platform = sys.platform
    if platform == "win32":
        return os.path.join(os.environ.get("SystemRoot", r"C:\Windows"), "System32", "drivers", "etc", "hosts")
    return "/etc/hosts"


def fieldsOf(line: bytes) -> list[bytes]:
    """
    Return the address and the names in a line of a hosts file, as the C library finds them: a comment may begin within a word.
    """
    return line.partition(b"#")[0].split()


@dataclass(slots=True, eq=False, repr=False)
class HostsTable:
    """
    The parsed contents of one or several hosts files.

    @ivar expand: the domain that names of one label have as well; L{ROOT} for none.
    @ivar addresses: folded name to the packed addresses of both families, in the order of the file.
    @ivar names: packed address to the first name on its first line.
    @ivar canonical: folded name to the first name on its first line, where the two differ.
    """

    addresses: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    names: dict[bytes, bytes] = field(default_factory=dict)
    canonical: dict[bytes, bytes] = field(default_factory=dict)
    complaints: Complaints = field(default_factory=Complaints)
    expand: bytes = ROOT

    def read(self, data: bytes) -> None:
        """
        Add the entries in C{data}. Invalid lines are skipped, as by the C library, but reported.
        """
        addresses, complaints = self.addresses, self.complaints
        packedOf: dict[bytes, tuple[bytes, ...]] = {}
        for number, line in enumerate(data.splitlines(), 1):
            fields = fieldsOf(line)
            if not fields:
                continue
            text = fields[0]
            packed = packedOf.get(text)
            if packed is None:
                try:
                    packed = packedOf[text] = _packed(text)
                except ValueError as error:
                    complaints.add(number, str(error))
                    continue
            if len(fields) == 1:
                complaints.add(number, f"{_shown(text)} is not followed by a name")
            first = None
            for listed in fields[1:]:
                try:
                    name = nameFromText(listed) if listed.isascii() else nameFromText(listed.decode("utf-8"))
                except (BadName, UnicodeDecodeError) as error:
                    complaints.add(number, str(error))
                    continue
                if self.expand != ROOT and labelCount(name) == 1:
                    # The full name comes first: it is the name of the address.
                    full = name[:-1] + self.expand
                    if len(full) > MOST_OCTETS:
                        complaints.add(number, f"{_shown(listed)} is too long with the domain of expand-hosts")
                    else:
                        first = first or full
                        self._add(number, full, packed, first)
                first = first or name
                folded = name.lower()
                before = addresses.get(folded)
                if before is None:
                    # The common case, without a call: lists of blocked names have a hundred thousand lines.
                    addresses[folded] = packed
                    if first != folded:
                        self.canonical[folded] = first
                    self.names.setdefault(packed[0], first)
                else:
                    self._add(number, name, packed, first)

    def _add(self, line: int, name: bytes, packed: tuple[bytes, ...], first: bytes) -> None:
        folded = name.lower()
        before = self.addresses.get(folded, ())
        if packed[0] not in before:
            if len(before) >= HOSTS_ADDRESSES.default:
                shown = _shown(nameToText(name, final=False).encode())
                self.complaints.add(line, f"{shown} has more than {int(HOSTS_ADDRESSES.default)} addresses")
                return
            self.addresses[folded] = before + packed
            if not before and first != folded:
                self.canonical[folded] = first
        self.names.setdefault(packed[0], first)


def _shown(text: bytes) -> str:
    return repr(text[:60].decode("utf-8", "backslashreplace"))


def _packed(text: bytes) -> tuple[bytes, ...]:
    if b"%" in text:
        # A record cannot contain the interface, without which the address is unreachable.
        raise ValueError(f"{_shown(text)} has a scope, which an address record cannot hold")
    try:
        return (socket.inet_pton(socket.AF_INET6 if b":" in text else socket.AF_INET, text.decode("ascii", "replace")),)
    except OSError:
        raise ValueError(f"{_shown(text)} is not an IPv4 or IPv6 address") from None


class Hosts(LocalSource):
    """
    Answers from hosts files: addresses of both families in the files' order, and names of addresses. A name listed with only one family
    has no data for the other, unless C{QueryContext.single} is set, or other types are left to the next source. It does not answer for
    names that are not listed.

    On use, at most once a second, the files are checked, and read again if one of them has changed.

    @ivar table: the contents when the files were last read.
    """

    __slots__ = ("table", "_addresses", "_expand", "_files", "_looked", "_onward", "_origin", "_seconds", "_ttl", "_unread")

    def __init__(
        self,
        clock: IReactorTime,
        path: str | Sequence[str] | None = None,
        *,
        ttl: float | None = None,
        expand: bytes = ROOT,
        otherTypes: bool = False,
    ) -> None:
        """
        @param path: the path of the file, or of several, whose addresses for one name are joined; L{None} for the operating system's.
        @param ttl: the TTL of answers in seconds.
        @param expand: a domain that names of one label have as well: with C{lan}, C{nas} is also C{nas.lan}, which is then the name of its
            addresses.
        @param otherTypes: leave the types that a listed name does not have to the next source.
        """
        self._seconds = clock.seconds
        paths = [path] if isinstance(path, str) else path
        self._files = [FollowedFile(each) for each in paths or [systemHostsPath()]]
        self._origin = Origin("hosts", self.path)
        self._ttl = int(HOSTS_TTL.pick(ttl))
        self._expand = expand
        self._onward = otherTypes
        self._looked = _LONG_AGO
        #: The reasons why files could not be read.
        self._unread = ""
        self.table = HostsTable()
        self._addresses = self.table.addresses

    @property
    def path(self) -> str:
        return ", ".join([file.path for file in self._files])

    def refresh(self) -> None:
        self._looked = self._seconds()
        # Not only until the first: each file has to notice its own change.
        changed = [file.changed() for file in self._files]
        if any(changed):
            table = HostsTable(expand=self._expand)
            unread: list[str] = []
            whole = Complaints()
            for file in self._files:
                complaints = table.complaints = Complaints()
                data = file.read(int(HOSTS_OCTETS.default), complaints)
                if data is None:
                    unread.append(str(complaints) if len(self._files) == 1 else f"{file.path} {complaints}")
                else:
                    table.read(data)
                whole.join(complaints, "" if len(self._files) == 1 else file.path)
            table.complaints = whole
            self._unread = "; ".join(unread)
            self.table = table
            self._addresses = table.addresses

    def current(self) -> HostsTable:
        """
        Return the contents, read again if a file has changed.
        """
        if not 0.0 <= self._seconds() - self._looked < _PAUSE:
            self.refresh()
        return self.table

    def typesOf(self, name: bytes) -> set[int]:
        """
        Return the types of addresses that a name, folded, has now.
        """
        return {A if len(each) == 4 else AAAA for each in self.current().addresses.get(name, ())}

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        if not 0.0 <= self._seconds() - self._looked < _PAUSE:
            self.refresh()
        addresses = self._addresses.get(question.key[:-4])
        if addresses is None and question.rrType not in (PTR, ANY) and context.trace is None:
            return None
        answer = self._found(question, addresses)
        if answer is not None and answer.outcome is not Outcome.DATA and (context.single or self._onward):
            return None
        if context.trace is not None:
            event = "nothing" if answer is None else answer.outcome.value
            complaints = self.table.complaints
            context.trace.note(self._seconds(), "hosts", event, path=self.path, complaints=str(complaints) or None)
        return answer

    def _found(self, question: Question, addresses: tuple[bytes, ...] | None) -> Answer | None:
        if question.rrClass != IN:
            return None
        if question.rrType == PTR or (addresses is None and question.rrType == ANY):
            address = addressFromReverse(question.key[:-4])
            name = None if address is None else self.table.names.get(address)
            return None if name is None else known(question, (name,), self._ttl, self._origin, PTR)
        if addresses is None or question.rrType not in (A, AAAA, ANY):
            return None
        return knownAddresses(question, addresses, self._ttl, self._origin)

    def unknown(self, question: Question) -> Unknown:
        if len(self._files) > 1:
            return nothingOn(f"the hosts files {self.path}", question, f"; {self._unread}" if self._unread else "")
        return nothingOn(f"the hosts file {self.path}", question, f"; it {self._unread}" if self._unread else "")


classImplements(Hosts, IAnswerSource)
