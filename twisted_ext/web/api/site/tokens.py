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
from twisted_ext.server.config.secretfiles import SCOPES, SecretTables
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone.update.policy import Policy

__all__ = ["ApiToken", "ApiTokens", "newSecret", "tokenToTOML"]

_HASH: Final = re.compile(r"sha256\$[0-9a-f]{64}")

#: Octets of a new secret: as many bits as its hash has.
_SECRET: Final = 32


@dataclass(frozen=True, slots=True)
class ApiToken:
    """
    A token.

    @ivar digest: the SHA-256 hash of its secret.
    @ivar policy: what it may change, and see: it sees nothing else; L{None} for all records.
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


    def sees(self, client: str, apex: bytes) -> bool:
        """
        Return whether it may change anything in a zone.
        """
        return self.policy is None or self.policy.reaches(_keyOf(self.name), client, apex)


class ApiTokens(SecretTables[bytes, ApiToken]):
    """
    The tokens of a file, by their hashes.
    """

    setting = "api-tokens"
    word = "token"
    maker = "txdns api token"
    #: 10,000 tokens.
    most = 4 * 1024 * 1024
    denied = "no token is taken"
    keys = ("secret", "only", "from", "until")

    def __init__(self, path: str, today: Callable[[], float] = time) -> None:
        """
        @raise BadDescription: the file is not valid.
        """
        super().__init__(path)
        self._today = today

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, secret: bytes, client: str) -> ApiToken | None:
        """
        Return the token that has a secret, if it is valid here and now.

        @raise BadDescription: the file has changed, and is not valid any more. No token is taken then.
        """
        # Found by its hash, of which the time of a comparison tells nothing that helps to find a secret.
        digest = sha256(secret).digest()
        token = self.entries().get(digest)
        if token is None or not compare_digest(token.digest, digest) or not token.isValid(client, self._today()):
            return None
        return token

    @classmethod
    def entriesIn(cls, text: str) -> dict[bytes, ApiToken]:
        found: dict[bytes, ApiToken] = {}
        names: set[str] = set()
        for table in cls.tablesIn(text):
            token = cls._tokenOf(table)
            if token.name.lower() in names or token.digest in found:
                raise BadDescription(f"token {token.name}: there are two of its name or secret")
            names.add(token.name.lower())
            found[token.digest] = token
        return found

    @classmethod
    def _tokenOf(cls, table: Mapping[str, object]) -> ApiToken:
        name, scope, wrong = cls.begun(table)
        secret = table.get("secret")
        if not isinstance(secret, str) or not _HASH.fullmatch(secret):
            raise wrong("secret is sha256$ and 64 hexadecimal digits; txdns api token makes it")
        only, places = _texts(table.get("only", []), wrong, "only"), _texts(table.get("from", []), wrong, "from")
        try:
            policy = Policy.fromTexts([f"key {name} {rule}" for rule in only]) if only else None
            networks = tuple([ip_network(place) for place in places])
        except (BadDescription, ValueError) as fault:
            raise wrong(str(fault)) from None
        return ApiToken(name, scope, bytes.fromhex(secret[7:]), policy, networks, _end(table.get("until"), wrong))


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
        ApiTokens.entriesIn(text)
    except tomllib.TOMLDecodeError:
        raise BadDescription(f"{until!r} is not a date; write one such as 2027-01-31") from None
    return text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _keyOf(name: str) -> bytes:
    return nameFromText(f"{name.lower()}.")


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
