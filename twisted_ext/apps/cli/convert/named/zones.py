"""
Converts the zones of C{named.conf}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.convert.addresses import Upstream, isAddress, labelOf, portFrom
from twisted_ext.apps.cli.convert.converted import Converted, Place
from twisted_ext.apps.cli.convert.named.lists import Clients, Lists, Remote
from twisted_ext.apps.cli.convert.named.syntax import Statement
from twisted_ext.apps.cli.convert.prefixes import EVERYONE
from twisted_ext.apps.cli.convert.words import numberFrom
from twisted_ext.dnssec.privatekeys.keyfiles import namePrefix
from twisted_ext.errors import BadDescription, BadName
from twisted_ext.server.config.types import SERIALS
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted_ext.apps.cli.convert.named.scope import Scope

__all__ = ["SERVED", "ZONE_HANDLED", "Zones", "forwardersOf"]

#: Types of zones under their present names.
_TYPES: Final[Mapping[str, str]] = {"master": "primary", "slave": "secondary"}

#: Types of zones that clients query.
SERVED: Final = ("primary", "master", "secondary", "slave", "mirror")

#: The names of rules for updates that mean the same here.
_RULES: Final[Mapping[str, str]] = {"name": "name", "subdomain": "subtree", "zonesub": "zone", "self": "self", "selfsub": "selfsub"}

_SERIALS: Final[Mapping[str, str]] = {"date": "dateserial", "increment": "increment", "unixtime": "unixtime"}

#: Statements of zones that are converted.
ZONE_HANDLED: Final = frozenset(
    """
    type file primaries masters allow-transfer also-notify notify allow-notify allow-update update-policy allow-query forward forwarders
    serial-update-method max-journal-size masterfile-format transfer-format in-view server-addresses server-names dnssec-policy
    parental-agents allow-update-forwarding
    """.split()
)


class Zones:
    """
    @ivar inherited: the statements of options and of the view, by name, which apply to zones that have none of their own.
    """

    def __init__(self, scope: Scope, lists: Lists, converted: Converted, path: Callable[[str], str]) -> None:
        self._scope = scope
        self._lists = lists
        self._converted = converted
        self._path = path
        self._open: list[str] = []
        self._notifying: list[tuple[str, Place]] = []
        #: Catalogs to follow, by name, with the servers of their members.
        self.catalogs: dict[str, list[Remote]] = {}

    def convert(self, statement: Statement, known: Callable[[Statement], None]) -> None:
        """
        @param known: reports a statement that becomes no setting.
        """
        into, place = self._converted, statement.place
        try:
            name = nameToText(nameFromText(statement.value))
        except BadName:
            into.wrong(place, f"{statement.value!r} is not a domain name")
            return
        if len(statement.words) > 2 and statement.words[2].upper() != "IN":
            into.missing(place, "zones of other classes than IN are not served", "version-bind and hostname-bind answer CHAOS queries")
            return
        own = {each.name: each for each in statement.inside}
        kind = own["type"].value.lower() if "type" in own else "in-view" if "in-view" in own else ""
        kind = _TYPES.get(kind, kind)
        converter = {
            "primary": self._primary, "secondary": self._secondary, "mirror": self._mirror, "forward": self._forward, "stub": self._stub,
            "static-stub": self._stub, "hint": self._hint,
        }.get(kind)  # fmt: skip
        if kind == "in-view":
            self._scope.sharing[name] = own["in-view"].value, place
            return
        if converter is None:
            reasons = {
                "": "the type is missing",
                "redirect": "names that do not exist are not redirected",
                "delegation-only": "top-level domains are answered as they are",
            }
            into.missing(place, reasons.get(kind, f"there are no zones of type {kind}"))
        else:
            converter(name, own, place)
        for each in statement.inside:
            if each.name not in ZONE_HANDLED:
                known(each)

    def finish(self) -> None:
        """
        Report what concerns many zones once.
        """
        if self._open:
            more = f" and {len(self._open) - 1} more zones" if len(self._open) > 1 else ""
            self._converted.note(
                Place(self._converted.file, 0, "allow-transfer"),
                f"named up to 9.18 lets all clients transfer {self._open[0]}{more}, which say nothing of it; here none can",
                "set allow-transfer",
            )
        if self._notifying:
            name, place = self._notifying[0]
            more = f", and {len(self._notifying) - 1} more zones," if len(self._notifying) > 1 else ""
            self._converted.note(place, f"the servers in the NS records of {name}{more} are not notified", "add them to notify")

    def _said(self, own: Mapping[str, Statement], name: str) -> Statement | None:
        return own.get(name) or self._scope.find(name)

    # -- types of zones

    def _primary(self, name: str, own: Mapping[str, Statement], place: Place) -> None:
        if "file" not in own:
            self._converted.wrong(place, "a primary zone needs a file")
            return
        table: dict[str, object] = {"name": name, "file": self._path(own["file"].value)}
        form = self._said(own, "masterfile-format")
        if form is not None and form.value.lower() != "text":
            self._converted.missing(form.place, "files in BIND's own format are not read", "convert them: named-compilezone -f raw -F text")
        self._updates(table, own)
        self._replicated(table, name, own, isPrimary=True)
        self._signed(name, self._said(own, "dnssec-policy"), "the file", own)
        self._serve(table, name, own, place)

    def _signed(self, name: str, said: Statement | None, source: str, own: Mapping[str, Statement]) -> None:
        """
        Say how a zone stays signed: with other keys than those of the DS record in its parent it would be bogus.
        """
        if said is None or said.value.lower() in ("none", "insecure"):
            return
        place, policy = said.place, said.value
        agents = [each.partition(" ")[0] for each in self._remotes(own, "parental-agents")]
        asked = f", and parental-agents = {json.dumps(agents)} in that policy" if agents else ""
        keys = namePrefix(nameFromText(name))
        self._converted.missing(
            place,
            f"{name} is signed with keys that named has",
            f"copy {keys}+* to signing/{keys.removeprefix('K')} in the folder that state names, and set "
            f'sign = "{policy}" in its table{asked}, with '
            f'serial = "unixtime": named serves a higher serial than {source} has',
        )

    def _secondary(self, name: str, own: Mapping[str, Statement], place: Place) -> None:
        primaries = self._remotes(own, "primaries", "masters")
        if not primaries:
            self._converted.missing(place, "it has no primaries with an address")
            return
        table: dict[str, object] = {"name": name, "primaries": primaries}
        if "file" in own:
            self._converted.needless(own["file"].place, "transferred zones are kept in the folder that state names")
        self._replicated(table, name, own, isPrimary=False)
        members = self.catalogs.pop(name.lower(), None)
        if members is not None:
            table["catalog"] = "follow"
            if members:
                table["member-primaries"] = self._texts(members)
        self._signed(name, own.get("dnssec-policy"), "its primary", own)
        self._serve(table, name, own, place)

    def _mirror(self, name: str, own: Mapping[str, Statement], place: Place) -> None:
        if name != ".":
            self._secondary(name, own, place)
            self._converted.differs(place, "the zone is not validated before it is used")
            return
        found = [each for key in ("primaries", "masters") if key in own for each in self._lists.remotes(own[key])]
        self._converted.add("local-root", ",".join([each.address for each in found]) or "yes", place)

    def _forward(self, name: str, own: Mapping[str, Statement], place: Place) -> None:
        servers = forwardersOf(own.get("forwarders"), self._lists)
        if not servers:
            if self._scope.find("forwarders") is not None:
                self._converted.differs(place, "names in it go to the same upstreams as all others", "set a stub or a route for it")
            else:
                self._converted.needless(place, "names in it are looked up as usual")
            return
        self._converted.add("route", f"{name}={self._scope.described(name, servers, self._scope.transport(servers))}", place)
        if "forward" not in own or own["forward"].value.lower() == "first":
            self._converted.note(place, "if these servers fail, the look-up fails, as with forward only")

    def _stub(self, name: str, own: Mapping[str, Statement], place: Place) -> None:
        targets: list[str] = []
        if "server-addresses" in own:
            for each in own["server-addresses"].inside:
                address = each.words[0] if each.words else ""
                if isAddress(address):
                    targets.append(labelOf(address, portFrom(each.wordAfter("port")) or self._lists.port))
        if "server-names" in own:
            targets += [each.words[0] for each in own["server-names"].inside if each.words]
        for key in ("primaries", "masters"):
            if key in own:
                targets += [labelOf(each.address, each.port) for each in self._lists.remotes(own[key])]
        if not targets:
            self._converted.missing(place, "it has no servers with an address")
        elif self._scope.recurses:
            self._converted.add("stub", f"{name}={','.join(targets)}", place)
            self._scope.validation.reportStub(name.lower(), place, "named", self._converted)
        else:
            remotes = [each for each in map(_serverFrom, targets) if each is not None]
            servers = [Upstream(each.address, 0 if each.port == 53 else each.port) for each in remotes]
            if servers:
                self._converted.add("route", f"{name}={self._scope.described(name, servers)}", place)
                self._converted.differs(place, "beside an upstream, its servers are asked as forwarders, and have to know all names below")

    def _hint(self, name: str, own: Mapping[str, Statement], place: Place) -> None:
        if not self._scope.recurses or "file" not in own:
            self._converted.needless(place, "this server asks no servers of the root")
            return
        path = self._path(own["file"].value)
        try:
            self._scope.includes.text(path)
        except BadDescription:
            self._converted.needless(place, "the servers of the root are built in")
        else:
            self._converted.set("root-hints", path, place)

    # -- statements of zones

    def _texts(self, remotes: list[Remote]) -> list[str]:
        return [Lists.text(each, self._scope.tlsNames.get(each.tls, "")) for each in remotes]

    def _remotes(self, own: Mapping[str, Statement], *names: str) -> list[str]:
        return self._texts([each for name in names if name in own for each in self._lists.remotes(own[name])])

    def _replicated(self, table: dict[str, object], name: str, own: Mapping[str, Statement], *, isPrimary: bool) -> None:
        """
        Add who may transfer the zone, who is notified, and whose updates go to the primary.
        """
        said = self._said(own, "allow-transfer")
        if said is None:
            self._open.append(name)
        else:
            clients = self._lists.clients(said.inside, said.place)
            encrypted = said.wordAfter("transport").lower() == "tls"
            grants = [f"{each} tls" if encrypted else each for each in clients.grants()]
            if grants:
                table["allow-transfer"] = grants
                self._within(clients, said.place)
        notify = self._said(own, "notify")
        how = notify.value.lower() if notify is not None else "yes"
        # Secondaries notify nobody with the latter two.
        notifies = how != "no" and (isPrimary or how not in ("primary-only", "master-only"))
        also = self._said(own, "also-notify")
        if also is not None and notifies:
            table["notify"] = self._texts(self._lists.remotes(also))
        if how in ("yes", "primary-only", "master-only") and isPrimary:
            self._notifying.append((name, self._converted_place(notify, name)))
        allowed = self._said(own, "allow-notify")
        if allowed is not None and not isPrimary:
            grants = self._lists.clients(allowed.inside, allowed.place).grants()
            if grants:
                table["allow-notify"] = grants
        forwarded = self._said(own, "allow-update-forwarding")
        if forwarded is not None and not isPrimary:
            grants = self._lists.clients(forwarded.inside, forwarded.place).grants()
            if grants:
                table["forward-updates"] = grants
        form = self._said(own, "transfer-format")
        if form is not None and form.value.lower() == "one-answer":
            table["one-answer"] = ["any"]

    def _serve(self, table: dict[str, object], name: str, own: Mapping[str, Statement], place: Place) -> None:
        """
        Add a zone, unless fewer clients may query it than others: these are not told apart by zone.
        """
        query = own.get("allow-query")
        self._scope.queriedIn[name] = self._scope.queried
        if query is not None:
            clients = self._scope.queriedIn[name] = self._lists.clients(query.inside, query.place)
            others = self._scope.queried or Clients.of(["any"])
            if not clients.hasAll(others):
                text = f"{name} is left out: only some of the clients of other zones may query it, and these are not told apart by zone"
                self._converted.missing(query.place, text, "serve it by a second instance at another address")
                return
            if not others.hasAll(clients):
                self._converted.differs(query.place, "clients are not told apart by zone: only those of all zones can query it")
        self._converted.zone(table, place)

    def _within(self, clients: Clients, place: Place) -> None:
        """
        Report clients who get something of a zone, and may not query it.
        """
        if self._scope.queried is not None and not self._scope.queried.hasAll(clients):
            self._converted.differs(place, "clients that may not query zones are refused this as well", "allow their queries")

    def _converted_place(self, statement: Statement | None, name: str) -> Place:
        return statement.place if statement is not None else Place(self._converted.file, 0, f"zone {name}")

    def _updates(self, table: dict[str, object], own: Mapping[str, Statement]) -> None:
        rules: list[str] = []
        # A policy and a list exclude each other.
        policy, allowed = own.get("update-policy"), self._said(own, "allow-update")
        if policy is not None:
            rules = [rule for each in policy.inside if (rule := self._rule(each)) is not None]
            if policy.value == "local":
                self._converted.missing(policy.place, "there is no session key", "make a key with txdns zone keygen, and set update")
        elif allowed is not None:
            clients = self._lists.clients(allowed.inside, allowed.place)
            self._within(clients, allowed.place)
            for grant in clients.grants():
                network, _, key = grant.rpartition("key=") if "key=" in grant else (grant, "", "")
                signed = f"key {key} " if key else ""
                networks = EVERYONE if network == "any" else (network.strip(),) if network else ()
                rules += [f"{signed}address {each} zone ANY" for each in networks] or [f"{signed}zone ANY"]
        if not rules:
            return
        table["update"] = rules
        serial = self._said(own, "serial-update-method")
        if serial is not None and serial.value.lower() in _SERIALS:
            table["serial"] = SERIALS.fromText(_SERIALS[serial.value.lower()])
        size = self._said(own, "max-journal-size")
        if size is not None and numberFrom(size.value[:-1]) is not None:
            number = numberFrom(size.value)
            table["journal-size"] = size.value.upper() if number is None else number

    def _rule(self, statement: Statement) -> str | None:
        words = statement.words
        if len(words) < 3 or words[0].lower() not in ("grant", "deny"):
            self._converted.wrong(statement.place, "this is not a rule: write grant KEY NAMES")
            return None
        action, key, names, *rest = words
        place = _RULES.get(names.lower())
        if place is None:
            self._converted.missing(statement.place, f"rules for names have {', '.join(_RULES)}, not {names}", "write a rule of update")
            return None
        parts = ["deny"] if action.lower() == "deny" else []
        parts += ["key", key, place]
        if place in ("name", "subtree"):
            if not rest:
                self._converted.wrong(statement.place, "the name is missing")
                return None
            named = rest.pop(0)
            # Names of named's rules are absolute.
            parts.append(named if named.endswith(".") else f"{named}.")
        elif rest and place in ("self", "selfsub"):
            # named wants a name here, and ignores it.
            rest.pop(0)
        elif rest and rest[0] == ".":
            rest.pop(0)
        return " ".join([*parts, *[each.upper().partition("(")[0] for each in rest]])


def forwardersOf(statement: Statement | None, lists: Lists) -> list[Upstream]:
    """
    Return the servers of C{forwarders}; the name of a C{tls} statement takes the place of the name in the certificate.
    """
    if statement is None:
        return []
    return [Upstream(each.address, 0 if each.port == 53 else each.port, each.tls) for each in lists.remotes(statement)]


def _serverFrom(label: str) -> Remote | None:
    address, _, port = label.rpartition(":")
    if isAddress(label):
        return Remote(label, 53, "", "")
    address = address.strip("[]")
    number = portFrom(port)
    return Remote(address, number, "", "") if isAddress(address) and number is not None else None
