"""
What signs the changes of zones: the process with the keys, which is not started before the first change, and what it has opened.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from twisted_ext.server.zones.signing.signedzone import policyOf
from twisted_ext.wire.rrtypes import DNSKEY
from twisted_ext.zone.sign.incremental import ChangeSigner
from twisted_ext.zone.sign.signing import Signing

if TYPE_CHECKING:
    from twisted_ext.server.zones.images.imagefiles import Built
    from twisted_ext.server.zones.signing.signedzone import SignedZone
    from twisted_ext.server.zones.signing.signer import OpenedKeys, Signer
    from twisted_ext.zone.sign.completer import Completing
    from twisted_ext.zone.store.version import Version

__all__ = ["ChangeSigners"]


class ChangeSigners:
    """
    Signs changes of zones with the keys that each has.
    """

    def __init__(self, make: Callable[[], Signer], today: Callable[[], float]) -> None:
        """
        @param make: makes the process with the keys.
        @param today: returns seconds since 1970.
        """
        self._make = make
        self._today = today
        self._signer: Signer | None = None

    def of(self, zone: SignedZone, built: Built, folder: str, version: Version) -> Generator[object, Any, ChangeSigner]:
        """
        Return what signs a change of a version, in steps: for the first one of a zone its keys are opened.

        @param built: the signed image that it goes on from.
        @param folder: that of the zone's keys.

        @raise KeyFault: the keys cannot be used.
        """
        now, signer = self._today(), self._signer
        if signer is None:
            signer = self._signer = self._make()
        if zone.keys is None:
            served = version.top.of(DNSKEY)
            rdatas, ttl = ((), 0) if served is None else (served.rdatas, served.ttl)
            opened: OpenedKeys = yield signer.open(folder, zone.apex, now, rdatas, ttl)
            zone.keys = opened
        keys = zone.keys

        def sign(completed: Completing) -> Generator[object, Any, list[bytes]]:
            signatures: list[bytes] = yield signer.sign(keys, completed.wanted)
            return signatures

        return ChangeSigner(Signing(keys.signers, policyOf(built) or zone.policy, keys.published), now, sign)

    def forget(self, zone: SignedZone) -> None:
        """
        Forget the keys of a zone, as others may sign by now.
        """
        keys, zone.keys = zone.keys, None
        if keys is not None and self._signer is not None:
            self._signer.forget(keys)

    def close(self) -> None:
        """
        End the process.
        """
        if self._signer is not None:
            self._signer.close()
