"""
Certificates in files: read at the start, at each reload, and whenever they have changed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadDescription
from twisted_ext.server.limits import CERTIFICATE_OCTETS
from twisted_ext.server.listeners.tls.certificates import Pair
from twisted_ext.transport.tls.pemfiles import certificatesFrom, pemIn, warnOfKey

if TYPE_CHECKING:
    from twisted_ext.server.settings.settings import Settings

__all__ = ["CertificateFiles", "readAuthorities", "readPairs"]

_log: Final = Logger(__name__)

#: What differs once a file has been replaced or written to.
_State = tuple[tuple[int, ...], ...]


def readPairs(certificates: Sequence[str], keys: Sequence[str]) -> list[Pair]:
    """
    Read certificates with their keys.

    @param certificates: the paths of files with a certificate and its chain.
    @param keys: the paths of their keys, in the same order; empty if each key is in the file of its certificate.

    @raise BadDescription: they cannot be used; names the file and the reason.
    """
    if keys and len(keys) != len(certificates):
        raise BadDescription(
            f"certificate and key: each certificate needs its key, in the same order; there are {len(certificates)} and {len(keys)}"
        )
    return [Pair(_read(path), _read(key), path, key) for path, key in zip(certificates, keys or certificates, strict=True)]


def readAuthorities(path: str) -> bytes:
    """
    Read the authorities of clients' certificates.

    @param path: C{""} for none.

    @return: the file's content.

    @raise BadDescription: it cannot be used; names the file and the reason.
    """
    if not path:
        return b""
    text = _read(path)
    certificatesFrom(text, path)
    return text


def _read(path: str) -> bytes:
    return pemIn(path, most=int(CERTIFICATE_OCTETS.default))


def _checkForQUIC(pairs: Sequence[Pair], setting: str) -> None:
    """
    @raise BadDescription: QUIC cannot sign with one of the keys, so that each handshake for its name would fail.
    """
    # Only here: it takes an extra.
    from twisted_ext.transport.quic.keys import signsWith

    for pair in pairs:
        if not signsWith(pair.key):
            kind = getattr(getattr(pair.key, "curve", None), "name", "") or type(pair.key).__name__
            raise BadDescription(
                f"{pair.label}: {setting} cannot use a key on {kind}; it has to be ECDSA on P-256 or P-384, Ed25519, Ed448 or RSA"
            )


class CertificateFiles:
    """
    The files of the settings C{certificate}, C{key} and C{client-ca}.

    @ivar authorities: what the last one held when the files were read.
    """

    def __init__(self, certificates: Sequence[str], keys: Sequence[str], clientCA: str = "", quic: str = "") -> None:
        """
        @param quic: the setting of a listener over QUIC, which takes fewer kinds of keys; C{""} for none.
        """
        self.authorities = b""
        self._quic = quic
        self._certificates = tuple(certificates)
        self._keys = tuple(keys)
        self._clientCA = clientCA
        # The state of the files in force, of those that were read last, which may be wrong, and at the last look.
        self._used: _State = ()
        self._read: _State = ()
        self._seen: _State = ()
        # Why there is no state, and whether that has been logged.
        self._missing = ""
        self._warned = False

    @classmethod
    def of(cls, settings: Settings) -> CertificateFiles:
        quic = "quic" if settings.quic else "http3" if settings.http3 else ""
        return cls(settings.certificate, settings.key, settings.clientCa, quic)

    def read(self) -> list[Pair]:
        """
        @raise BadDescription: the files cannot be used.
        """
        self._read = self._seen = state = self._state()
        pairs = readPairs(self._certificates, self._keys)
        if self._quic:
            _checkForQUIC(pairs, self._quic)
        self.authorities = readAuthorities(self._clientCA)
        self._used = state
        for key in self._keys:
            warnOfKey(key)
        for pair in pairs:
            if pair.disorder:
                _log.warn("{disorder}; some clients will reject it", disorder=pair.disorder)
        return pairs

    def look(self) -> list[Pair] | None:
        """
        Read the files again if they have changed, once they are equal at two calls in a row, so that a half-written file is not read.

        @return: the new pairs; L{None} if nothing has changed, or if the files cannot be used, which is logged.
        """
        state = self._state()
        before, self._seen = self._seen, state
        if state:
            self._warned = False
        elif not before and not self._warned:
            # A server that has given up root's rights may not be able to follow a renewal.
            self._warned = True
            _log.warn("{missing}; the certificates in use stay in force until it can be read", missing=self._missing)
        if state in (self._read, ()) or state != before:
            return None
        try:
            return self.read()
        except BadDescription as fault:
            _log.error("the new certificates cannot be used, the old ones stay in force: {fault}", fault=fault)
            return None

    @property
    def isChanged(self) -> bool:
        """
        Whether the files are not those in force.
        """
        return self._state() != self._used

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CertificateFiles):
            return NotImplemented
        return self._settings() == other._settings()

    def __hash__(self) -> int:
        return hash(self._settings())

    def _settings(self) -> tuple[object, ...]:
        return self._certificates, self._keys, self._clientCA, self._quic

    def _state(self) -> _State:
        found: list[tuple[int, ...]] = []
        for path in dict.fromkeys([*self._certificates, *self._keys, *([self._clientCA] if self._clientCA else [])]):
            try:
                status = os.stat(path)
            except OSError as error:
                # It is being replaced, or this process may not read its folder any more.
                self._missing = f"{path}: {error.strerror or error}"
                return ()
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)
