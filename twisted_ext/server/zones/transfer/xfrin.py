"""
A secondary zone: transferred from its primaries, refreshed, and expired when no primary has confirmed it for too long.

L{twisted_ext.zone.transfer.refresh} decides what to do; this module does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import random
from typing import TYPE_CHECKING, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.errors import BadImage, BadMessage, BudgetSpent, DNSFault, ServerFailed, StorageFault
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.server.config.keys import Grants, RemoteServer
from twisted_ext.server.limits import PROBE_TRIES, PROBE_WAIT
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.zones.table.zonetable import variantText
from twisted_ext.server.zones.transfer.peerfacts import PeerFact
from twisted_ext.server.zones.transfer.secondarystore import SecondaryStore, Spool
from twisted_ext.server.zones.transfer.udpexchange import MessageSender, exchange
from twisted_ext.transport.tls.links import connectorTo
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.codes import TC, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.store.changeset import applied
from twisted_ext.zone.store.serials import isNewer, serialIn
from twisted_ext.zone.transfer.receiver import TransferKind, TransferReceiver, settled
from twisted_ext.zone.transfer.refresh import RefreshState, RefreshStep, SecondaryState

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.keys import TLSPeer
    from twisted_ext.server.zones.transfer.secondaries import Secondaries
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.journal import Journal
    from twisted_ext.zone.store.version import Version

__all__ = ["Secondary"]

#: The EDNS EXPIRE option (RFC 7314).
_EXPIRE: Final = 9

#: Maximum seconds of a timer, since the system clock may be set in the meantime.
_LONGEST: Final = 3600.0

#: Factor by which the pause between SOA queries caused by NOTIFY is longer for a zone that could not be fetched.
_FAILED: Final = 5

_Result = TypeVar("_Result")

_log: Final = Logger(__name__)


class Secondary:
    """
    One secondary zone.

    @ivar refreshing: the state of its refresh cycle, and its expiry.
    @ivar version: the stored version, served or not; L{None} if there is none.
    @ivar said: the last error, or C{""}.
    @ivar received: number of complete transfers.
    @ivar heard: what each primary said last, by its label.
    @ivar digest: how to check ZONEMD, see L{prove}; C{""} for not at all.
    """

    def __init__(self, all_: Secondaries, apexName: bytes, primaries: Sequence[RemoteServer], grants: Grants, digest: str) -> None:
        self.apexName = apexName
        self.digest = digest
        self.version: Version | None = None
        self.said = ""
        self.received = 0
        self.heard: dict[str, PeerFact] = {}
        self.text = variantText(apexName, all_.view)
        self.primaries = list(primaries)
        self.grants = grants
        self._secondaries = all_
        self._today = all_.today
        self._store = SecondaryStore(all_.folder, apexName)
        self.refreshing = RefreshState(len(self.primaries), random, self._today())
        self._timer: IDelayedCall | None = None
        self._flight: Deferred[None] | None = None
        self._noticed = 0.0
        # The last failure that was logged in the present attempt to refresh.
        self._logged = ""
        # Whether a NOTIFY came during an SOA query or a transfer.
        self._called = False
        # The first step of what has begun while the last one is being stored.
        self._step: RefreshStep | None = None
        # Primaries that do not support EDNS.
        self._plain: set[str] = set()
        # Fires when the current work in a thread has ended; it cannot be cancelled.
        self._thread: Deferred[None] | None = None
        # The serial number that waits until an operator accepts it, and the bounds by which it was judged.
        self._held: tuple[int, tuple[float, float]] | None = None
        self._running = False
        self._ended = False

    @property
    def journal(self) -> Journal | None:
        if self._thread is not None and not self._store.isOpen:
            # A thread may be opening it right now.
            return None
        try:
            journal = self._store.journal
        except (StorageFault, OSError):
            return None
        if journal is not None:
            self._secondaries.opened(self)
        return journal

    def _hear(self, label: str, serial: int | None, said: str = "") -> None:
        """
        Note what a primary has, or why it does not say so.
        """
        before = self.heard.get(label)
        known = before.serial if serial is None and before is not None else serial
        self.heard[label] = PeerFact(known, self._today(), said)

    def facts(self) -> dict[str, JSON]:
        """
        Describe the refresh cycle: C{primaries}, each with C{server}, and if it was asked C{serial}, C{at} and C{said} if it failed;
        C{refreshState}, C{refreshed}, C{refresh} and C{expires}, in seconds since 1970.
        """
        refreshing = self.refreshing
        labels = [remote.server.label for remote in self.primaries]
        primaries: list[JSON] = [
            {"server": label, **(self.heard[label].toJSON() if label in self.heard else {})} for label in labels
        ]
        known: dict[str, JSON] = {"primaries": primaries, "refreshState": refreshing.state.value}
        if refreshing.waiting:
            known["refresh"] = round(refreshing.nextAt, 3)
        if refreshing.refreshedAt:
            known |= {"refreshed": round(refreshing.refreshedAt, 3), "expires": round(refreshing.expiresAt, 3)}
        return known

    def rest(self) -> bool:
        """
        Close the zone's files, unless one is being written to.

        @return: whether they were closed.
        """
        if self._thread is None:
            self._store.rest()
        return self._thread is None

    @property
    def expires(self) -> float:
        return max(0.0, self.refreshing.expiresAt - self._today())

    # -- start and stop

    def start(self) -> None:
        """
        Serve the stored version, if it has not expired, and start the refresh cycle.
        """
        if self._ended:
            return
        self._running = True
        now = self._today()
        try:
            held = self._store.restore()
        except (StorageFault, OSError) as fault:
            self._complain("{zone}: the stored data cannot be read: {fault}", fault)
            held = None
        if self._store.isOpen:
            self._secondaries.opened(self)
        if held is not None:
            self.version, refreshedAt, expiresAt = held
            self.refreshing.restore(self.version.soa.rdatas[0], refreshedAt, expiresAt, now)
            if self.refreshing.serving:
                self._secondaries.install(self.apexName, self.version)
            else:
                self._giveUp()
        self._look()

    def stop(self) -> Deferred[None]:
        """
        @return: fires when nothing is under way any more.
        """
        self._ended = True
        self._running = False
        self._disarm()
        flight, thread = self._flight, self._thread
        ending: list[Deferred[None]] = []
        for each in (flight, thread):
            if each is not None:
                ended: Deferred[None] = Deferred()
                each.addBoth(_ended, ended)
                ending.append(ended)
        if flight is not None:
            flight.cancel()
        return gatherResults(ending).addCallback(lambda _: self._store.close())

    def _aside(self, work: Callable[[], _Result]) -> Deferred[_Result]:
        """
        Run work in a thread. Cancelling the Deferred discards the result, but the work continues, and L{stop} waits for its end.
        """
        done: Deferred[_Result] = Deferred(lambda _: None)
        ended: Deferred[None] = Deferred()
        self._thread = ended

        def over(result: _Result | Failure) -> None:
            self._thread = None
            if not done.called:
                done.callback(result)
            ended.callback(None)

        inThread(self._secondaries.reactor, work).addBoth(over)
        return done

    def forget(self) -> None:
        """
        Remove the stored data, after L{stop}.
        """
        self._store.remove()

    # -- NOTIFY

    def mayNotify(self, client: str, keyName: bytes, peer: TLSPeer | None = None, door: Door = NOWHERE) -> bool:
        """
        Return whether a client may send NOTIFY for the zone.

        @param keyName: the name of the TSIG key that verified the message, C{b""} if unsigned.
        @param peer: what the client has proved over TLS.
        @param door: how it came in.
        """
        return self._primaryAt(client, keyName) is not None or self.grants.allows(client, keyName, peer, door)

    def _primaryAt(self, client: str, keyName: bytes) -> int | None:
        for number, remote in enumerate(self.primaries):
            if remote.server.address == client and (remote.key is None or remote.key.name == keyName):
                return number
        return None

    def notified(self, client: str, serial: int | None) -> None:
        """
        Handle an authorized NOTIFY.

        @param serial: the serial number in the message, if any.
        """
        now = self._today()
        refreshing = self.refreshing
        if not self._running or not refreshing.announce(serial):
            return
        if not refreshing.waiting:
            # The query or transfer under way may have started before the change.
            self._called = True
            return
        if now < self._soonest():
            # A single SOA query for all of them, a moment later.
            self._noticeLater()
            self._arm()
            return
        primary = next((n for n, remote in enumerate(self.primaries) if remote.server.address == client), None)
        step = self.refreshing.notified(now, primary, serial)
        if step is not None:
            self._noticed = now
            self._take(step)

    def _soonest(self) -> float:
        """
        Return when a NOTIFY may cause the next SOA query.
        """
        # Possibly spoofed NOTIFY messages must not cause repeated attempts to fetch a zone that cannot be fetched.
        return self._noticed + self._secondaries.noticeWait * (1 if self.refreshing.state is SecondaryState.CURRENT else _FAILED)

    def _noticeLater(self) -> None:
        """
        Have an SOA query sent for a NOTIFY as soon as that may be, unless one is due before.
        """
        at = max(self._today(), self._soonest())
        if at < self.refreshing.nextAt:
            self.refreshing.nextAt = self._noticed = at

    def follow(self, primaries: Sequence[RemoteServer], grants: Grants) -> None:
        before = [remote.identity for remote in self.primaries]
        self.grants = grants
        # Even if they are the same, the files of certificates may have been replaced.
        self.primaries = list(primaries)
        if [remote.identity for remote in primaries] != before:
            self.refreshing.follow(len(self.primaries), self._today())
            self._arm()

    def refreshNow(self) -> None:
        """
        Send an SOA query now, even if none is due.
        """
        step = self.refreshing.notified(self._today()) if self._running else None
        if step is not None:
            self._take(step)

    # -- timers

    def _look(self) -> None:
        self._timer = None
        if not self._running:
            return
        serving = self.refreshing.serving
        step = self.refreshing.wake(self._today())
        if serving and not self.refreshing.serving:
            self._giveUp()
        if step is not None:
            self._take(step)
        else:
            self._arm()

    def _arm(self) -> None:
        self._disarm()
        at = self.refreshing.wakeAt()
        if at is not None and self._running:
            wait = min(max(0.0, at - self._today()), _LONGEST)
            self._timer = self._secondaries.reactor.callLater(wait, self._look)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _giveUp(self) -> None:
        _log.warn("zone {zone} has expired: no primary has confirmed it", zone=self.text)
        self._secondaries.install(self.apexName, None)

    def _complain(self, format: str, fault: object) -> None:
        self.said = str(fault)
        self._secondaries.told(self.apexName.lower(), self.said)
        # A primary that is down fails the request for the changes and the one for the whole zone alike.
        if self.said != self._logged:
            self._logged = self.said
            _log.warn(format, zone=self.text, fault=self.said)

    # -- steps

    def _take(self, step: RefreshStep) -> None:
        """
        Carry out a step, and the steps that follow from it, one after the other.
        """
        if self._flight is not None:
            # What came before is still being stored, in a thread.
            self._step = step
        elif self._running:
            flight = Deferred.fromCoroutine(self._run(step))
            if not flight.called:
                self._flight = flight
            flight.addErrback(_logBug)
        self._arm()

    async def _run(self, first: RefreshStep) -> None:
        step: RefreshStep | None = first
        self._logged = ""
        try:
            while step is not None and self._running:
                remote = self.primaries[step.primary % len(self.primaries)]
                # The zone may expire in the meantime.
                self._arm()
                try:
                    step = await (self._fetch(step, remote) if step.fetch and not self._isHolding else self._probe(remote, step))
                except CancelledError:
                    raise
                except Exception:
                    # A bug must not end the refresh cycle forever.
                    _log.failure("while refreshing {zone}", zone=self.text)
                    step = self.refreshing.failed(self._today())
                if step is None:
                    step, self._step = self._step, None
        finally:
            self._flight = None
        called, self._called = self._called, False
        if called and self.refreshing.waiting and self.refreshing.isNews(self.refreshing.announced):
            self._noticeLater()
        self._arm()

    @property
    def _isHolding(self) -> bool:
        guards, apex = self._secondaries.guards, self.apexName.lower()
        return self._held is not None and apex in guards.waiting and not guards.isAccepted(apex) and self._held[1] == guards.bounds

    async def _probe(self, remote: RemoteServer, asked: RefreshStep) -> RefreshStep | None:
        question = Question(self.apexName, SOA)
        label = remote.server.label
        options = () if label in self._plain else ((_EXPIRE, b""),)
        try:
            await self._secondaries.probes.acquire(label)
            try:
                reply = await exchange(
                    MessageSender(self._secondaries.reactor, self._secondaries.links), remote, question, options=options,
                    wait=PROBE_WAIT.default, tries=int(PROBE_TRIES.default), today=self._today, unsignedRefusals=True,
                )  # fmt: skip
            finally:
                self._secondaries.probes.release(label)
            expire = None if reply.edns is None else reply.edns.option(_EXPIRE)
            for rrset in reply.answer:
                if rrset.rrType == SOA and rrset.name.lower() == self.apexName.lower() and len(rrset.rdatas[0]) >= 22:
                    seconds = int.from_bytes(expire, "big") if expire is not None and len(expire) == 4 else None
                    serial = serialIn(rrset.rdatas[0])
                    self._hear(label, serial)
                    if self._isHolding and self._held is not None and self._held[0] == serial:
                        return self.refreshing.held(self._today())
                    self._held = None
                    if asked.fetch:
                        return asked
                    step = self.refreshing.probed(self._today(), serial, seconds)
                    if step is None or not step.fetch:
                        await self._notNewer(serial, label)
                    return step
            if reply.flags & TC:
                # A server with response rate limiting sends this: query it over TCP.
                return self.refreshing.undisclosed(self._today())
            raise BadMessage(f"{label} returned no SOA of {self.text}")
        except DNSFault as fault:
            if self._isPlain(fault, label):
                return await self._probe(remote, asked)
            if fault.rcode in (Rcode.REFUSED, Rcode.NOTAUTH):
                # Knot DNS refuses SOA queries for catalog zones, without a signature. Try a transfer over TCP, whose reply has to be
                # signed.
                return self.refreshing.undisclosed(self._today())
            self._hear(label, None, str(fault))
            self._complain("zone {zone} could not be refreshed: {fault}", fault)
        return self.refreshing.failed(self._today())

    def _isPlain(self, fault: BaseException, label: str) -> bool:
        """
        Return whether this is the first sign that a primary does not support EDNS (RFC 6891, section 7), so that a retry without EDNS may
        succeed.
        """
        if not isinstance(fault, ServerFailed) or fault.rcode != Rcode.FORMERR or label in self._plain:
            return False
        self._plain.add(label)
        return True

    async def _notNewer(self, serial: int, label: str) -> None:
        if serial == self.refreshing.serial:
            await self._confirm()
        else:
            self._complain("zone {zone}: {fault}", f"{label} has serial number {serial}, which is older than {self.refreshing.serial}")

    async def _fetch(self, step: RefreshStep, remote: RemoteServer) -> RefreshStep | None:
        label = remote.server.label
        spool = Spool(self._store.spoolPath, self._secondaries.room, label)
        slots = self._secondaries.slots
        version = self.version if step.serial is not None else None
        try:
            await slots.acquire(label)
            try:
                soa = None if version is None else version.soa
                receiving = await fetchZone(
                    self._secondaries.reactor, remote.server, self.apexName, spool.keep, key=remote.key, soa=soa,
                    edns=label not in self._plain, today=self._today, most=self._secondaries.most,
                    connect=connectorTo(self._secondaries.reactor, remote.server, remote.tls, links=self._secondaries.links),
                )  # fmt: skip
                spool.close()
                return await self._received(receiving, spool, remote)
            finally:
                slots.release(label)
        except (DNSFault, OSError) as fault:
            if self._isPlain(fault, label):
                spool.drop()
                return await self._fetch(step, remote)
            self._hear(label, None, str(fault))
            self._complain("zone {zone} could not be fetched: {fault}", fault)
            if self._isHolding:
                fault.__traceback__ = None
                return self.refreshing.held(self._today())
            # A cycle, from Python 3.12 on: Twisted's frame in the traceback refers to the exception.
            fault.__traceback__ = None
            return self.refreshing.failed(self._today())
        finally:
            spool.drop()

    async def _received(self, receiving: TransferReceiver, spool: Spool, remote: RemoteServer) -> RefreshStep | None:
        refreshing = self.refreshing
        current = self.version
        if refreshing.serving and not isNewer(receiving.serial, refreshing.serial):
            # The serial number must not go back, no matter how the zone was transferred.
            step = refreshing.unchanged(self._today(), receiving.serial, receiving.expire)
            await self._notNewer(receiving.serial, remote.server.label)
            return step
        if receiving.kind is TransferKind.CURRENT:
            raise ServerFailed(f"{remote.server.label} has nothing of {self.text}")
        if receiving.kind is TransferKind.CHANGES:
            assert current is not None
            before, came = current, receiving.differences
            # In a thread: some thousands of records take several hundredths of a second, too long for one turn of the reactor.
            version, differences = await self._aside(lambda: _changed(before, came))
            strangers = str(receiving.strangers)
            if version.crowded:
                # The next image is due, and a full transfer makes one.
                raise BudgetSpent(f"{self.text} has changed so much that all of it is fetched again")
            await self._guard(current, version)
            await self._prove(version, remote)
            imaged = current.image.serial
            await self._aside(lambda: self._store.change(differences, imaged))
            self._secondaries.opened(self)
        else:
            version, strangers = await self._built(spool)
            try:
                if version.serial != receiving.serial or version.apex != self.apexName.lower():
                    raise BadImage(f"the image of {self.text} is of another zone")
                await self._guard(current, version)
                await self._prove(version, remote)
            except DNSFault:
                self._store.reject()
                raise
            version = await self._aside(self._store.apply)
        self.version = version
        self.said = ""
        self._hear(remote.server.label, version.serial)
        self.received += 1
        self._secondaries.received += 1
        step = refreshing.received(self._today(), version.soa.rdatas[0], receiving.expire)
        _log.info(
            "zone {zone} {serial} from {server}: {octets} octets of {kind}",
            zone=self.text,
            serial=version.serial,
            server=remote.server.label,
            octets=receiving.octets,
            kind=receiving.kind.value,
        )
        if strangers:
            _log.warn(
                "zone {zone} from {server}: {strangers} outside of the zone are left out", zone=self.text, server=remote.server.label,
                strangers=strangers,
            )  # fmt: skip
        self._secondaries.install(self.apexName, version)
        await self._confirm()
        return step

    async def _guard(self, current: Version | None, version: Version) -> None:
        """
        @raise BadMessage: the version has lost so much that it waits until an operator accepts it.
        """
        guards, apex = self._secondaries.guards, version.apex
        weigh = partial(guards.weigh, current, version)
        said = guards.judge(apex, *(await self._aside(weigh) if apex in guards.catalogs else weigh()))
        if said:
            self._held = version.serial, guards.bounds
            raise BadMessage(said)

    async def _prove(self, version: Version, remote: RemoteServer) -> None:
        if self.digest:
            await self._aside(lambda: prove(version, self.digest, remote.server.label))

    async def _built(self, spool: Spool) -> tuple[Version, str]:
        """
        Return the version that was transferred, and what to say of records outside of the zone.
        """
        holding = self._store
        if not spool.path:
            # Keep the messages: the spool drops them if this is cancelled.
            messages = list(spool.messages)
            strangers = await self._aside(lambda: holding.build(messages))
        else:
            strangers = await self._secondaries.gather(self.apexName, spool.path, holding.nextPath)
        return await self._aside(holding.built), strangers

    async def _confirm(self) -> None:
        refreshing = self.refreshing
        at, until = refreshing.refreshedAt, refreshing.expiresAt
        # A new expiry counts as a change, so report it even without an error.
        self.said = ""
        self._secondaries.told(self.apexName.lower(), "")
        try:
            await self._aside(lambda: self._store.confirm(at, until))
        except OSError as error:
            self._complain("zone {zone}: its expiry cannot be stored: {fault}", error)

    def __repr__(self) -> str:
        return f"<Secondary {self.text} {self.refreshing.state.value}>"


def _logBug(failure: Failure) -> None:
    if isinstance(failure.value, CancelledError):
        # The traceback and its frames form a reference cycle: ten thousand of them are costly to collect.
        failure.value.__traceback__ = failure.tb = None
    else:
        _log.failure("a bug", failure)


def _ended(result: object, ended: Deferred[None]) -> None:
    ended.callback(None)


def _changed(version: Version, came: Sequence[Difference]) -> tuple[Version, Sequence[Difference]]:
    differences = settled(version, came)
    return applied(version, differences), differences


def prove(version: Version, wish: str, label: str) -> None:
    """
    Verify the ZONEMD records of a zone. This reads the whole zone.

    @param wish: C{"check"} to accept a zone without a digest, or with only unsupported ones; C{"require"} to reject it. An attacker who
        modifies a zone in transit can also remove its digest.
    @param label: of the primary, for display.

    @raise BadMessage: the zone is rejected.
    """
    from twisted_ext.zone.check.zonemd import Verdict, verify

    digested = verify(version)
    unproved = digested.verdict in (Verdict.ABSENT, Verdict.UNSUPPORTED)
    if digested.verdict is not Verdict.VERIFIED and (wish == "require" or not unproved):
        raise BadMessage(f"what {label} has as serial {version.serial} is rejected: {digested.text}")
