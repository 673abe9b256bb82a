"""
Dynamic updates by their way into a server (RFC 2136): whose they are, which zone they are for, and what is said to them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadImage, BadMessage, BadUpdate, BadZone, DNSFault, StorageFault
from twisted_ext.server.changing import Changing, Elsewhere
from twisted_ext.server.errands import Outcome
from twisted_ext.server.requests import Refusal, Request
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.names import nameToText
from twisted_ext.zone.journal import Journal
from twisted_ext.zone.policies import Policy
from twisted_ext.zone.serials import isNewer
from twisted_ext.zone.updates import Update, updated

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.zone.images import Image
    from twisted_ext.zone.versions import Version
    from twisted_ext.zone.zones import Zone

__all__ = ["Updating"]

# Info codes of extended errors (RFC 8914).
_OTHER: Final = 0
_NOT_READY: Final = 14
_PROHIBITED: Final = 18
_NOT_AUTHORITATIVE: Final = 20

_log: Final = Logger()


class _Ward:
    """
    A zone that may be changed.
    """

    __slots__ = ("policy", "serials", "path", "most", "journal", "changing")

    def __init__(self, policy: Policy, serials: str, path: str, most: float | None) -> None:
        self.policy = policy
        self.serials = serials
        self.path = path
        self.most = most
        self.journal: Journal | None = None
        self.changing: Changing | None = None


class Updating:
    """
    Sees to updates. Whether somebody may change anything at all is looked at before all that would take any work.

    @ivar done: how many updates have changed something or might have.
    @ivar refused: how many have not, for whatever reason.
    """

    _UNKNOWN: Final = Refusal(Rcode.NOTAUTH, ((_NOT_AUTHORITATIVE, "no such zone here"),))
    _DENIED: Final = Refusal(Rcode.REFUSED, ((_PROHIBITED, ""),))
    _UNPROVEN: Final = Refusal(Rcode.NOERROR, truncated=True)
    _DONE: Final = Refusal(Rcode.NOERROR)
    _ABSENT: Final = Refusal(Rcode.SERVFAIL, ((_NOT_READY, "the zone is not loaded"),))
    _UNKEPT: Final = Refusal(Rcode.SERVFAIL, ((_OTHER, "the change cannot be kept"),))

    def __init__(
        self,
        clock: IReactorTime,
        find: Callable[[bytes], Zone | None],
        elsewhere: Elsewhere,
        *,
        exists: Callable[[bytes], bool] | None = None,
        changed: Callable[[Version], object] = lambda version: None,
        compact: Callable[[Version, str], Deferred[Image]] | None = None,
        today: Callable[[], float] | None = None,
    ) -> None:
        """
        @param find: gives the zone with exactly this folded name, if there is something in force of it.
        @param elsewhere: has something done by a thread.
        @param exists: whether there is a zone of this name at all.
        @param changed: called whenever another version of a zone is in force.
        @param compact: builds the image of a version in a file.
        @param today: gives seconds since 1970.
        """
        from time import time

        self.done = 0
        self.refused = 0
        self._clock = clock
        self._find = find
        self._elsewhere = elsewhere
        self._exists = exists or (lambda apex: find(apex) is not None)
        self._changed = changed
        self._compact = compact
        self._today = today or time
        self._wards: dict[bytes, _Ward] = {}

    # -- zones

    def permit(
        self, apex: bytes, policy: Policy, *, serials: str = "increment", path: str = "", most: float | None = None
    ) -> None:
        """
        Let a zone be changed.

        @param apex: its name, folded.
        @param path: its journal; without one changes are forgotten with this process.
        @param most: octets that the journal may have.
        """
        ward = self._wards.get(apex)
        if ward is None:
            self._wards[apex] = _Ward(policy, serials, path, most)
        else:
            # Its journal stays open where it is.
            ward.policy, ward.serials = policy, serials

    def forbid(self, apex: bytes) -> Deferred[None]:
        """
        Let a zone be changed no more.

        @return: fires when its journal is closed.
        """
        return self._closed(self._wards.pop(apex, None))

    def journal(self, apex: bytes) -> Journal | None:
        """
        @return: what has changed in a zone, for those who transfer it.
        """
        ward = self._wards.get(apex)
        return None if ward is None else ward.journal

    def opened(self, version: Version) -> Version:
        """
        Take a version that was read from its sources to where the journal ends. To be called with each version before it is put in force.

        @return: what is to be put in force.

        @raise StorageFault: the journal cannot be read, or knows nothing of this version although it is not newer.
        @raise BadZone: the zone is served and was changed, and what was read has no newer serial number.
        @raise BudgetSpent: more has changed than fits onto the image; see L{twisted_ext.zone.compacting}.
        """
        ward = self._wards.get(version.apex)
        if ward is None or not ward.path:
            return version
        first = ward.journal is None
        if ward.journal is None:
            ward.journal = Journal(ward.path, version.apexName, most=ward.most)
            if ward.journal.said:
                _log.error("{said}", said=ward.journal.said)
        journal = ward.journal
        newest = journal.newest
        if newest is None:
            return version
        base = self._compacted(ward, version)
        if first and journal.since(base.serial) is not None:
            return journal.replayed(base)
        zone = None if first else self._find(version.apex)
        if zone is not None and base.image.fingerprint == zone.current.image.fingerprint and base.image.fingerprint:
            return zone.current
        if not isNewer(version.serial, newest):
            text = (
                f"{nameToText(version.apex)}: serial {version.serial} is not newer than {newest}, to which the zone was changed;"
                f" give it a newer one, or remove {ward.path}"
            )
            raise StorageFault(text) if first else BadZone(text)
        _log.info(
            "{zone}: serial {serial} is newer than {newest}, to which the zone was changed, and takes its place",
            zone=nameToText(version.apex),
            serial=version.serial,
            newest=newest,
        )
        if ward.changing is None:
            journal.clear()
        else:
            ward.changing.supersede()
        with suppress(OSError):
            os.unlink(self._imagePath(ward))
        return version

    def _imagePath(self, ward: _Ward) -> str:
        return ward.path + ".image"

    def _compacted(self, ward: _Ward, version: Version) -> Version:
        """
        @return: the image that was built last of these sources and the journal, or the version itself.
        """
        from twisted_ext.zone.images import Image
        from twisted_ext.zone.versions import Version

        try:
            image = Image.open(self._imagePath(ward))
        except FileNotFoundError:
            return version
        except (BadImage, OSError) as fault:
            _log.error("{fault}", fault=fault)
            return version
        fits = image.apex == version.apex and image.fingerprint == version.image.fingerprint
        return Version(image) if fits else version

    def _changingOf(self, ward: _Ward, zone: Zone) -> Changing | None:
        """
        @return: L{None} while what was there before is still being written.
        """
        changing = ward.changing
        if changing is None:
            changing = ward.changing = Changing(
                self._clock, zone, ward.journal, self._elsewhere, changed=self._changed, compact=self._compacting(ward)
            )
        elif changing.zone is not zone:
            if changing.busy:
                return None
            changing.zone = zone
        return changing

    def _compacting(self, ward: _Ward) -> Callable[[Version], Deferred[Image]] | None:
        compact = self._compact
        if compact is None or not ward.path:
            return None
        chosen = compact
        return lambda version: chosen(version, self._imagePath(ward))

    # -- requests

    def __call__(self, request: Request) -> Outcome:
        outcome = self._judge(request)
        if isinstance(outcome, Refusal) and outcome is not self._DONE:
            self.refused += 1
        return outcome

    def _judge(self, request: Request) -> Outcome:
        question = request.question
        apex = question.name.lower()
        if question.rrClass != IN or not self._exists(apex):
            return self._UNKNOWN
        ward = self._wards.get(apex)
        if ward is None:
            return self._DENIED
        policy, keyName = ward.policy, request.keyName
        client = request.client if _isProven(request) else ""
        if not policy.admits(keyName, client):
            # By TCP he could show that he is where he says.
            return self._UNPROVEN if not client and policy.admits(keyName, request.client) else self._DENIED
        zone = self._find(apex)
        changing = None if zone is None else self._changingOf(ward, zone)
        if changing is None or request.message is None:
            return self._ABSENT
        try:
            update = Update.fromMessage(request.message)
        except (BadUpdate, BadMessage) as fault:
            return _refusalOf(fault)
        serials, now = ward.serials, self._today()
        changed = changing.change(lambda version: updated(update, version, policy, keyName, client, serials=serials, now=now))
        return changed.addCallbacks(self._cbChanged, self._ebChanged, (request,), {}, (request,))

    def _cbChanged(self, version: Version, request: Request) -> Refusal:
        self.done += 1
        _log.info(
            "{zone} {serial}: update by {client} {key}",
            zone=nameToText(version.apex),
            serial=version.serial,
            client=request.client,
            key=nameToText(request.keyName) if request.keyName else "without a key",
        )
        return self._DONE

    def _ebChanged(self, failure: Failure, request: Request) -> Refusal:
        self.refused += 1
        fault = failure.value
        if isinstance(fault, StorageFault):
            return self._UNKEPT
        if isinstance(fault, DNSFault):
            return _refusalOf(fault)
        _log.failure("{request} could not be done", failure, request=request)
        return self._UNKEPT

    # -- the end

    def _closed(self, ward: _Ward | None) -> Deferred[None]:
        if ward is not None and ward.changing is not None:
            return ward.changing.close()
        if ward is not None and ward.journal is not None:
            ward.journal.close()
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def close(self) -> Deferred[None]:
        """
        Take no more updates.

        @return: fires when all that were taken have been kept.
        """
        wards, self._wards = self._wards, {}
        return gatherResults([self._closed(ward) for ward in wards.values()]).addCallback(lambda each: None)


def _isProven(request: Request) -> bool:
    """
    @return: whether it comes from where it says: anybody can write any sender onto a datagram, but for those of this machine.
    """
    if request.transport != "udp" or request.verified:
        return True
    try:
        return ip_address(request.client.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refusalOf(fault: DNSFault) -> Refusal:
    code = _PROHIBITED if fault.rcode == Rcode.REFUSED else _OTHER
    return Refusal(fault.rcode, ((code, fault.text),))
