"""
The table of zone settings: the keys of a C{[[zone]]} table in the TOML file, the first two of which C{--zone NAME=FILE} sets as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Final, TextIO

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.files import openNow
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.tables import Key, checkedTable, key, tableFromText, tableToText, tableToTOML
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.limits import JOURNAL_OCTETS

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.config.types import Value
    from twisted_ext.zone.sign.policy import SigningPolicy
    from twisted_ext.zone.update.policy import Policy

__all__ = ["ZONE_SETTINGS", "Holding", "ZoneSettings", "apexIn", "gather", "signedBy", "zonesByView", "zonesOf"]

#: The SOA record has to be within this many lines of a master file.
_FIRST_LINES: Final = 1000

#: Folder entries read in one step.
_ENTRIES: Final = 500

#: File name extensions recognized in a folder of zones; the bare zone name is valid too.
_ENDINGS: Final = (".zone", ".db", ".txt")


class ZoneSettings:
    """
    The settings of one zone.

    @ivar name: the apex, folded, in wire form.
    @ivar text: the apex as text with its final dot.
    @ivar file: the absolute path of the master file; C{""} for a zone without one.
    @ivar values: the values that were set, checked, by setting name.
    @ivar plain: whether nothing but a file is set, as for most zones of a large server.
    @ivar policy: the cached result of L{policyOf<twisted_ext.server.config.transferpolicy.policyOf>}.
    @ivar terms: the cached policy of L{twisted_ext.server.zones.transfer.replication}.
    @ivar signing: how it is signed, L{None} if it is not; L{gather} looks up policies other than the default.
    @ivar listedBy: the folder or list that names it; C{""} if its own settings do.
    @ivar held: why it is served although no folder or list names it any more; C{""} for all others.
    """

    __slots__ = ("name", "text", "file", "values", "plain", "policy", "terms", "signing", "listedBy", "held")

    view: str = key(
        types.LABEL,
        "",
        "The view whose clients are answered from it, instead of the zone for all with the same name; commands call it NAME..VIEW. "
        "policy-zones for none: it is a policy zone of this server",
    )
    fallback: bool = key(
        types.FLAG,
        False,
        "Of a zone of a view: names that it lacks come from the zone for all with the same name, if neither is signed",
    )
    store: str = key(types.STORE, "", "The database that contains it, instead of a file: see txdns zone edit")
    primaries: tuple[str, ...] = key(
        types.REMOTE,
        (),
        "Servers to transfer it from, instead of a file: 192.0.2.1, 192.0.2.1:5353 key=NAME, tls://192.0.2.1#ns1.example",
    )
    allowTransfer: tuple[str, ...] = key(
        types.GRANT,
        (),
        "Clients that may transfer it: 192.0.2.0/24, key=NAME, 192.0.2.0/24 key=NAME; with tls, over TLS only: key=NAME tls;"
        " with a certificate of the client: certificate=ns2.example, pin=DIGEST; port=PORT of this server",
    )
    encryptedTransfers: bool = key(types.FLAG, False, "Transfer it over encrypted transports only, to and from this server (RFC 9103)")
    oneAnswer: tuple[str, ...] = key(
        types.GRANT,
        (),
        "Clients that get each record in a separate message, as old servers need it: 192.0.2.7, key=NAME",
    )
    notify: tuple[str, ...] = key(
        types.REMOTE,
        (),
        "Servers to notify of changes: 192.0.2.1, 192.0.2.1:5353 key=NAME, tls://192.0.2.1#ns2.example",
    )
    allowNotify: tuple[str, ...] = key(types.GRANT, (), "Clients besides its primaries that may send NOTIFY for it")
    zonemd: str = key(types.DIGEST, "", "Of a transferred zone: check its ZONEMD record if there is one, or require one (RFC 8976)")
    catalog: str = key(
        types.CATALOG,
        "",
        "Of a catalog zone (RFC 9432): follow it and serve its members, or produce it of zones with listed-in",
    )
    memberPrimaries: tuple[str, ...] = key(
        types.REMOTE,
        (),
        "Of a catalog to follow: servers to transfer its zones from; by default its own primaries",
    )
    groupPrimaries: tuple[str, ...] = key(types.GROUPED, (), "The same for zones of one group: fast 192.0.2.1 key=NAME")
    listedIn: str = key(types.NAME, "", "The catalog of this server that lists it")
    group: tuple[str, ...] = key(types.TEXT, (), "Group of the zone in that catalog")
    update: tuple[str, ...] = key(
        types.RULE,
        (),
        "Rule for updates (RFC 2136): key NAME subtree dyn A AAAA; the first one that matches decides",
    )
    allowUpdate: tuple[str, ...] = key(
        types.GRANT,
        (),
        "Clients whose updates are considered at all, before these rules: tls, key=NAME tls, certificate=host.example; by default any",
    )
    forwardUpdates: tuple[str, ...] = key(
        types.GRANT,
        (),
        "Of a zone with primaries: clients whose updates are passed on to these: 192.0.2.0/24, key=NAME; the primary judges them",
    )
    edit: tuple[str, ...] = key(types.DOOR, (), "What else may change it: api, the HTTP API; console; a zone of a database: both")
    sign: str = key(types.SIGNING, "none", "Sign it with DNSSEC: default, or the name of a signing-policy; keys are in the state folder")
    serial: str = key(types.SERIALS, "increment", "How an update, or signing, chooses the next serial number")
    journalSize: int = key(types.Octets(JOURNAL_OCTETS), int(JOURNAL_OCTETS.default), "Maximum octets of its stored changes, for IXFR")

    def __init__(self, values: Mapping[str, Value], name: bytes = b"") -> None:
        """
        @param name: the apex in wire form, if the caller has it.
        """
        self.values = dict(values)
        self.policy: Policy | None = None
        self.terms: object = None
        self.text = str(self.values["name"])
        self.name = (name or nameFromText(self.text)).lower()
        self.file = str(self.values.get("file", ""))
        self.plain = len(self.values) - ("view" in self.values) - ("fallback" in self.values) <= 2 and bool(self.file)
        self.listedBy = self.held = ""
        self.signing: SigningPolicy | None = None
        if self.isSigned:
            # Imported for zones that are signed only.
            from twisted_ext.zone.sign.policy import SigningPolicy

            self.signing = SigningPolicy()

    @classmethod
    def of(cls, text: str, file: str) -> ZoneSettings:
        """
        Make the settings of a zone that has only a file.

        @param text: the name as the operator wrote it.
        @param file: an absolute path.

        @raise BadDescription: the name is not valid.
        """
        try:
            wire = nameFromText(text)
        except BadName as fault:
            raise BadDescription(f"zone {text}: {fault}") from None
        return cls({"name": nameToText(wire), "file": file}, wire)

    def value(self, name: str) -> Value:
        found = self.values.get(name)
        return _BY_NAME[name].default if found is None else found

    @property
    def apexName(self) -> bytes:
        """
        The apex in wire form, in the case in which it was configured.
        """
        return nameFromText(self.text)

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """
        Return the keys.
        """
        return ZONE_SETTINGS

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> ZoneSettings:
        """
        Parse C{NAME=FILE}, or the result of L{toText}.

        @param folder: the base of relative paths; C{""} for the working directory.

        @raise BadDescription: the syntax is wrong.
        """
        if text.startswith("{"):
            return cls.fromTable(tableFromText(text, "zone"), folder)
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise BadDescription(f"{text!r} is not a valid zone: write its name, an equals sign, and its master file")
        return cls.of(name, _absolute(path, folder))

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> ZoneSettings:
        """
        Check a TOML table.

        @param folder: the base of relative paths; C{""} for the working directory.

        @raise BadDescription: the table is not valid; one line for each fault.
        """
        values = checkedTable(table, ZONE_SETTINGS, "zone", "example.org", folder)
        values["name"] = _apex(str(values["name"]))
        if values.get("file"):
            values["file"] = _absolute(str(values["file"]))
        if values.get("fallback") and not values.get("view"):
            raise BadDescription(f"zone {values['name']}: fallback is for zones of a view; say with view which one")
        return cls(values)

    @property
    def isSigned(self) -> bool:
        return self.sign != "none"

    @property
    def doors(self) -> frozenset[str]:
        """
        How it may be changed other than by updates.
        """
        if self.primaries or self.catalog:
            return frozenset()
        return frozenset(("api", "console") if self.store else self.edit)

    @property
    def isAdded(self) -> bool:
        """
        Whether it was added while the server ran, and its records are kept with its settings.
        """
        return self.store.startswith("added:")

    @property
    def isSignedOnArrival(self) -> bool:
        """
        Whether its versions come from a database or a primary, and are signed here.
        """
        return self.isSigned and ("store" in self.values or "primaries" in self.values)

    def signed(self, how: str) -> ZoneSettings:
        """
        Return the settings of the same zone, signed.

        @param how: the name of a policy.
        """
        return ZoneSettings({**self.values, "sign": how}, self.name)

    def toText(self) -> str:
        if set(self.values) == {"name", "file"}:
            return f"{self.text}={self.file}"
        return tableToText(self.values)

    def toTOML(self) -> str:
        return tableToTOML(self.values)

    def __repr__(self) -> str:
        return f"<ZoneSettings {self.text} {self.file}>"


#: The settings of a C{[[zone]]} table.
ZONE_SETTINGS: Final = (
    Setting("name", types.NAME, "", "The zone's name, its apex"),
    Setting("file", types.PATH, "", "Its master file"),
    *[each.setting for each in vars(ZoneSettings).values() if isinstance(each, Key)],
)

_BY_NAME: Final = {setting.name: setting for setting in ZONE_SETTINGS}


#: Returns the zones that stay although the settings do not name them: given the settings, and the zones that they name.
Holding = Callable[["Settings", Mapping[bytes, ZoneSettings]], Iterable[ZoneSettings]]


def zonesOf(settings: Settings, held: Holding | None = None, view: str = "") -> list[ZoneSettings]:
    """
    Return all zones to serve; reads their folders and lists.

    @param held: see L{gather}.
    @param view: see L{gather}.

    @raise BadDescription: a zone is configured twice, or a folder or list cannot be read.
    """
    found: dict[bytes, ZoneSettings] = {}
    for _ in gather(settings, found, held, view):
        pass
    return list(found.values())


def zonesByView(settings: Settings) -> dict[str, list[ZoneSettings]]:
    """
    Return the zones that views have of their own, by the names of the views.

    @raise BadDescription: the table of one is not valid.
    """
    found: dict[str, list[ZoneSettings]] = {}
    # Of a hundred thousand zones few or none are those of a view.
    for zone in [ZoneSettings.fromText(text) for text in settings.zone if _mayHaveView(text)]:
        if zone.view:
            found.setdefault(zone.view, []).append(zone)
    return found


def _mayHaveView(text: str) -> bool:
    return text.startswith("{") and '"view"' in text


def gather(settings: Settings, found: dict[bytes, ZoneSettings], held: Holding | None = None, view: str = "") -> Iterator[None]:
    """
    Collect all zones to serve in short steps.

    @param found: filled with the zones by name.
    @param held: adds zones that folders and lists do not name any more.
    @param view: the view whose zones are collected; C{""} for those for all clients.

    @raise BadDescription: see L{zonesOf}.
    """
    sign = settings.sign
    find = policiesOf(settings)
    for text in settings.zone:
        if view and not _mayHaveView(text):
            continue
        zone = ZoneSettings.fromText(text)
        if zone.view != view:
            continue
        if sign != "none" and zone.plain:
            zone = zone.signed(sign)
        if zone.isSigned:
            zone.signing = find(zone)
        before = found.setdefault(zone.name, zone)
        if before is not zone and before.values != zone.values:
            raise BadDescription(f"zone {zone.text} is given twice: {before.file or 'without a file'} and {zone.file or 'without a file'}")
        yield

    def take(each: ZoneSettings, path: str) -> None:
        why = each.held
        if sign != "none":
            each = each.signed(sign)
            each.signing = find(each)
        each.listedBy, each.held = path, why
        # Settings of a single zone take precedence.
        found.setdefault(each.name, each)

    for path in () if view else settings.zones:
        for each in _inFolder(path) if os.path.isdir(path) else _inList(path):
            if each is not None:
                take(each, path)
            yield
    for each in [] if held is None or view else held(settings, found):
        take(each, each.listedBy)
        yield


def signedBy(settings: Settings, zone: ZoneSettings) -> ZoneSettings:
    """
    Return the settings of a zone that was added and is to be signed: by the policy for all zones of the server, or by the default one.

    @raise BadDescription: there is no such policy.
    """
    signed = zone.signed(settings.sign if settings.sign != "none" else "default")
    signed.signing = policiesOf(settings)(signed)
    return signed


def policiesOf(settings: Settings) -> Callable[[ZoneSettings], SigningPolicy]:
    """
    Return a function that returns the policy by which a zone is signed.

    @raise BadDescription: two policies have one name, or no zone can be signed by the policy for all.
    """
    if not settings.signingPolicy and settings.sign in ("none", "default"):
        # Imported for zones that are signed only.
        policies = None
    else:
        from twisted_ext.server.config.signingpolicy import SigningPolicies

        policies = SigningPolicies(settings)
        if settings.sign != "none":
            policies.named(settings.sign, "sign")

    def find(zone: ZoneSettings) -> SigningPolicy:
        from twisted_ext.server.config.signingpolicy import SigningPolicies

        nonlocal policies
        policies = policies or SigningPolicies(settings)
        return policies.named(zone.sign, f"zone {zone.text}: sign")

    return find


def apexIn(path: str) -> str:
    """
    Return the zone name of a master file, the owner of its SOA record. The origin is the file's name unless C{$ORIGIN} sets it.

    @raise BadDescription: the file cannot be read, or has no SOA record near its beginning.
    """
    origin = f"{os.path.basename(path)}."
    owner = "@"
    try:
        with _opened(path, "replace") as lines:
            for line in islice(lines, _FIRST_LINES):
                words = line.partition(";")[0].split()
                if not words:
                    continue
                if words[0].upper() == "$ORIGIN" and len(words) > 1:
                    origin = words[1] if words[1].endswith(".") else f"{words[1]}.{origin}"
                elif not words[0].startswith("$"):
                    owner = owner if line[0] in " \t" else words[0]
                    if "SOA" in [word.upper() for word in words]:
                        return origin if owner == "@" else owner if owner.endswith(".") else f"{owner}.{origin}"
    except OSError as error:
        raise BadDescription(f"{path}: {error.strerror or error}") from None
    raise BadDescription(f"{path}: no SOA record is near the beginning of this file; say which zone it has with zone")


def _apex(text: str) -> str:
    try:
        return nameToText(nameFromText(text))
    except BadName as fault:
        raise BadDescription(f"zone {text}: {fault}") from None


def _opened(path: str, errors: str = "strict") -> TextIO:
    """
    Open a file without blocking.

    @raise OSError: it cannot be read, or reading would block, as for a FIFO.
    """
    return open(path, encoding="utf-8", errors=errors, opener=openNow)


def _absolute(path: str, folder: str = "") -> str:
    if "\x00" in path:
        raise BadDescription(f"{path!r} cannot be a path")
    return path if path.startswith("/") else os.path.abspath(os.path.join(folder, path))


def _inFolder(path: str) -> Iterator[ZoneSettings | None]:
    """
    Iterate over the files of a folder, each of them a zone with the file's name. Yields L{None} after each step without a zone.
    """
    folder = os.path.abspath(path)
    parts: list[list[str]] = []
    try:
        with os.scandir(folder) as entries:
            while some := list(islice(entries, _ENTRIES)):
                parts.append(sorted([entry.name for entry in some if entry.name[0] != "." and entry.name[-1] != "~" and entry.is_file()]))
                yield None
    except OSError as error:
        raise BadDescription(f"zones: {path}: {error.strerror or error}") from None
    for name in merge(*parts):
        stem = name
        if name.endswith(_ENDINGS):
            stem = name.rpartition(".")[0]
        yield ZoneSettings.of(stem, f"{folder}/{name}")


def _inList(path: str) -> Iterator[ZoneSettings]:
    """
    Read a list with a zone's name and file on each line. Relative paths start from the folder of the list.
    """
    folder = os.path.dirname(os.path.abspath(path))
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, 1):
                words = line.split(None, 1)
                if not words or words[0].startswith("#"):
                    continue
                if len(words) < 2:
                    raise BadDescription(f"{path}:{number}: write the name of a zone and its master file")
                try:
                    yield ZoneSettings.of(words[0], _absolute(words[1].strip(), folder))
                except BadDescription as fault:
                    raise BadDescription(f"{path}:{number}: {fault}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadDescription(f"zones: {path}: {getattr(error, 'strerror', None) or error}") from None
