"""
Who may use the API: tokens in a file, of which the server knows the hashes only::

    [[token]]
    name = "lego"
    scope = "zones"
    secret = "sha256$5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
    only = ["name _acme-challenge.example.org TXT"]
    from = ["192.0.2.0/24"]
    until = 2027-01-01
"""

from __future__ import annotations

import re
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from time import time
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.secretfiles import FileStatus, fileStatus, readSecret
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.update.policy import Policy

__all__ = ["SCOPES", "ApiToken", "ApiTokens", "newSecret", "tokenToTOML"]

#: What a token may do; each includes those before it: read; change the records of zones; everything.
SCOPES: Final = ("read", "zones", "admin")

_KEYS: Final = ("name", "scope", "secret", "only", "from", "until")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

_HASH: Final = re.compile(r"sha256\$[0-9a-f]{64}")

#: A file of tokens is refused if it is longer: 10,000 tokens.
_MOST_OCTETS: Final = 4 * 1024 * 1024

#: Octets of a new secret: as many bits as its hash has.
_SECRET: Final = 32


@dataclass(frozen=True, slots=True)
class ApiToken:
    """
    A token.

    @ivar digest: the SHA-256 hash of its secret.
    @ivar policy: what it may change; L{None} for all records.
    @ivar networks: where it may be used from; empty for everywhere.
    @ivar until: when it ends, in seconds since 1970; L{None} for never.
    """

    name: str
    scope: str
    digest: bytes
    policy: Policy | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    until: float | None = None

    def reaches(self, scope: str) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def isValid(self, client: str, now: float) -> bool:
        """
        @param client: the address that it is used from.
        """
        if self.until is not None and now >= self.until:
            return False
        if not self.networks:
            return True
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            # A Unix socket has none.
            return False
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self.networks)

    def mayChange(self, client: str, name: bytes, rrType: int) -> bool:
        """
        Return whether it may change records of a name and type.
        """
        return self.policy is None or self.policy.allows(_keyOf(self.name), client, name, rrType)


class ApiTokens:
    """
    The tokens of a file, which is read again when it changes.
    """

    def __init__(self, path: str, today: Callable[[], float] = time) -> None:
        """
        @raise BadDescription: the file is not valid.
        """
        self.path = path
        self._today = today
        self._status: FileStatus | tuple[()] | None = fileStatus(path)
        self._tokens = _read(path)

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, secret: bytes, client: str) -> ApiToken | None:
        """
        Return the token that has a secret, if it is valid here and now.

        @raise BadDescription: the file has changed, and is not valid any more. No token is taken then.
        """
        status = fileStatus(self.path)
        if status != self._status:
            # Until it has been read, so that one that is mended is read again.
            self._tokens, self._status = {}, ()
            self._tokens = _read(self.path)
            self._status = status
        # Found by its hash, of which the time of a comparison tells nothing that helps to find a secret.
        digest = sha256(secret).digest()
        token = self._tokens.get(digest)
        if token is None or not compare_digest(token.digest, digest) or not token.isValid(client, self._today()):
            return None
        return token


def newSecret() -> str:
    return secrets.token_urlsafe(_SECRET)


def tokenToTOML(name: str, scope: str, secret: str, only: list[str], networks: list[str], until: str) -> str:
    """
    Return the entry of a token for a file.

    @raise BadDescription: the token is not valid.
    """
    lines = ["[[token]]", f'name = "{name}"', f'scope = "{scope}"', f'secret = "sha256${sha256(secret.encode()).hexdigest()}"']
    for key, values in (("only", only), ("from", networks)):
        if values:
            lines.append(f"{key} = [{', '.join([_quoted(value) for value in values])}]")
    if until:
        lines.append(f"until = {until}")
    text = "\n".join(lines) + "\n"
    try:
        _tokensIn(text)
    except tomllib.TOMLDecodeError:
        raise BadDescription(f"{until!r} is not a date; write one such as 2027-01-31") from None
    return text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _keyOf(name: str) -> bytes:
    return nameFromText(f"{name.lower()}.")


def _read(path: str) -> dict[bytes, ApiToken]:
    text = readSecret("api-tokens", path, _MOST_OCTETS)
    try:
        return _tokensIn(text)
    except (tomllib.TOMLDecodeError, BadDescription) as fault:
        raise BadDescription(f"api-tokens: {path}: {fault}") from None


def _tokensIn(text: str) -> dict[bytes, ApiToken]:
    """
    @raise BadDescription: a token is not valid.
    @raise tomllib.TOMLDecodeError: nor is the text.
    """
    whole = tomllib.loads(text)
    tables = whole.get("token", [])
    if set(whole) - {"token"} or not isinstance(tables, list):
        raise BadDescription("it has [[token]] tables and nothing else; txdns api token makes them")
    found: dict[bytes, ApiToken] = {}
    names: set[str] = set()
    for table in tables:
        token = _tokenOf(table)
        if token.name.lower() in names or token.digest in found:
            raise BadDescription(f"token {token.name}: there are two of its name or secret")
        names.add(token.name.lower())
        found[token.digest] = token
    return found


def _tokenOf(table: Mapping[str, object]) -> ApiToken:
    if not isinstance(table, dict):
        raise BadDescription("it has [[token]] tables and nothing else; txdns api token makes them")
    name = table.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadDescription(f"a token's name is of up to 63 letters of ASCII, digits, - and _, not {name!r}")

    def wrong(what: str) -> BadDescription:
        return BadDescription(f"token {name}: {what}")

    if unknown := set(table) - set(_KEYS):
        raise wrong(f"{min(unknown)}: there is no such key; there are {', '.join(_KEYS)}")
    scope, secret = table.get("scope"), table.get("secret")
    if scope not in SCOPES:
        raise wrong(f"scope is one of {', '.join(SCOPES)}, not {scope!r}")
    if not isinstance(secret, str) or not _HASH.fullmatch(secret):
        raise wrong("secret is sha256$ and 64 hexadecimal digits; txdns api token makes it")
    only, places = _texts(table.get("only", []), wrong, "only"), _texts(table.get("from", []), wrong, "from")
    try:
        policy = Policy.fromTexts([f"key {name} {rule}" for rule in only]) if only else None
        networks = tuple([ip_network(place) for place in places])
    except (BadDescription, ValueError) as fault:
        raise wrong(str(fault)) from None
    return ApiToken(name, str(scope), bytes.fromhex(secret[7:]), policy, networks, _end(table.get("until"), wrong))


def _texts(value: object, wrong: Callable[[str], BadDescription], key: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise wrong(f"{key} is a list of texts")
    return value


def _end(value: object, wrong: Callable[[str], BadDescription]) -> float | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    raise wrong("until is a date such as 2027-01-31, which is in UTC")
