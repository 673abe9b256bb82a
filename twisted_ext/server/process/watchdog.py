"""
The watchdog: sends self-test queries to each of the server's listeners to check that it still answers.

A live process and a running reactor prove little: a socket may have been removed from the reactor. Each listener is queried for a name that
only this server knows, which is answered regardless of access control, and shows which process answered where several share a port. A
listener that does not answer but still reads other queries counts as busy: a flood can crowd out the self-test query, and must not end the
server.

QUIC listeners are asked for their versions (RFC 9000, section 6) instead: a handshake would cost 100 times as much as a query. They mark
their replies with a version that shows which process answered.

systemd is told that the server is ready, and that it lives, if it asked for that (sd_notify(3)).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from os import urandom
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTCP, IReactorTime, IReactorUDP
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.server.config.places import UNIX
from twisted_ext.server.limits import WATCHDOG_FAILURES, WATCHDOG_PATIENCE, WATCHDOG_SECONDS
from twisted_ext.server.listeners.datagram import DatagramListener
from twisted_ext.server.reply.chaos import SelfTest
from twisted_ext.transport.quic.wire import versionProbe, versionsIn

if TYPE_CHECKING:
    from twisted.internet.ssl import CertificateOptions

    from twisted_ext.server.listeners.quic.listener import QuicListener
    from twisted_ext.server.listeners.stream import StreamListener

__all__ = ["Watchdog", "notify", "watchdogSeconds"]

#: Source ports for self-test queries if several processes share an address: the chance that none of 24 leads to one of two is one in 16
#: million.
_WATCHDOG_PORTS: Final = 24

#: Transports on UDP whose listeners are asked for their versions.
_QUIC: Final = ("quic", "http3")

#: Octets of the connection ids in such a question.
_ID: Final = 8

#: The maximum size of a reply that is read.
_SIZE: Final = 4096

#: Wildcard addresses, and the address to query for each.
_OWN: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """
    Send a notification; return whether it was sent.

    @param state: assignments, one on each line: C{READY=1}.
    """
    path = environment.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return False
    # An abstract socket's name begins with a zero octet.
    address = "\x00" + path[1:] if path.startswith("@") else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as telling:
        telling.setblocking(False)
        telling.sendto(state.encode("utf-8"), address)
        return True
    return False


def watchdogSeconds(environment: Mapping[str, str] = os.environ, process: int | None = None) -> float:
    """
    Return the interval for C{WATCHDOG=1} in seconds, half of what systemd asks for; 0 for never.
    """
    ours = str(os.getpid() if process is None else process)
    if environment.get("WATCHDOG_PID", ours) != ours:
        return 0.0
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdecimal() else 0.0


@cache
def _terms() -> CertificateOptions:
    """
    Return the terms of TLS for all self-test queries: new ones would take 15 kB for each, until the garbage collector runs.

    They do not check the certificate: the token in the reply proves which process answers.
    """
    from twisted.internet.ssl import CertificateOptions

    return CertificateOptions()


class _Place:
    def __init__(self, way: str, listener: DatagramListener | StreamListener | QuicListener) -> None:
        self.way = way
        self.listener = listener
        self.host = _OWN.get(listener.address, listener.address)
        self.label = f"{way} {f'[{self.host}]' if ':' in self.host else self.host}"
        self.answered = False
        self.failures = 0
        self.before = 0
        self.faults = 0


class Watchdog:
    """
    Queries each listener every few seconds.

    @ivar well: whether each listener answered its last query, or was busy. Listeners that have never answered do not count: a firewall may
        keep this process from reaching them.
    """

    _log = Logger(__name__)

    def __init__(
        self,
        reactor: IReactorTime,
        test: SelfTest,
        datagrams: Sequence[DatagramListener],
        streams: Sequence[StreamListener | QuicListener],
        failed: Callable[[str], object],
        faults: Callable[[], int],
        *,
        shared: bool,
    ) -> None:
        """
        @param failed: called with a message when a listener has not answered several times in a row.
        @param faults: returns the number of unexpected exceptions so far: a listener that reads but fails does not count as busy.
        @param shared: whether other processes listen at the same addresses and ports. The kernel then chooses one of them by the client's
            port, so queries are sent from many ports at once.
        """
        self.well = True
        self._reactor = reactor
        self._test = test
        listeners: list[tuple[str, DatagramListener | StreamListener | QuicListener]] = [("udp", each) for each in datagrams]
        listeners += [(each.way, each) for each in streams]
        # Skip link-local addresses, which need a scope, and Unix sockets, which all workers accept from: none of them can be asked.
        self._places = [
            _Place(way, listener)
            for way, listener in listeners
            if "%" not in listener.address and not listener.address.startswith(UNIX)
        ]
        self._failed = failed
        self._faults = faults
        # Checks in a row that failed for lack of memory.
        self._short = 0
        self._ports = _WATCHDOG_PORTS if shared else 1
        self._asking: list[_Asking] = []
        self._looping = LoopingCall(self._look)
        self._looping.clock = reactor

    def start(self) -> None:
        looping = self._looping.start(WATCHDOG_SECONDS.default, now=False)
        looping.addErrback(lambda failure: self._log.failure("the watchdog has ended", failure=failure))

    def stop(self) -> None:
        if self._looping.running:
            self._looping.stop()
        for asking in list(self._asking):
            asking.end(False)

    def _look(self) -> None:
        short = False
        for place in self._places:
            try:
                self._ask(place)
            except MemoryError:
                short = True
            except Exception as error:
                # For example a lack of descriptors or memory, which is not the listener's fault.
                self._log.warn("the watchdog cannot ask {label}: {error}", label=place.label, error=error)

        self._short = self._short + 1 if short else 0
        if self._short >= WATCHDOG_FAILURES.default and self._looping.running:
            self._looping.stop()
            self._failed("out of memory")

    def _ask(self, place: _Place) -> None:
        place.before = place.listener.heard
        place.faults = self._faults()
        asking = _Asking(self._reactor, place, self._test, lambda answered: self._told(place, asking, answered))
        self._asking.append(asking)
        asking.begin(self._ports)

    def _told(self, place: _Place, asking: _Asking, answered: bool) -> None:
        self._asking.remove(asking)
        if not self._looping.running:
            return
        if answered:
            if place.failures:
                self._log.info("{label} answers again", label=place.label)
            place.answered = True
            place.failures = 0
        elif self._isDeaf(place):
            place.failures += 1
            if place.answered:
                self._log.warn("{label} does not answer the server's own query", label=place.label)
            elif place.failures == WATCHDOG_FAILURES.default:
                self._log.warn("this server cannot reach itself at {label}, so the watchdog does not check that address", label=place.label)
        deaf = [each for each in self._places if each.answered and each.failures]
        self.well = not deaf
        for each in deaf:
            if each.failures >= WATCHDOG_FAILURES.default:
                # Report it only once.
                self._looping.stop()
                seconds = each.failures * WATCHDOG_SECONDS.default
                self._failed(f"{each.label} port {each.listener.port} has not answered for {seconds:.0f} seconds")
                return

    def _isDeaf(self, place: _Place) -> bool:
        """
        Return whether the listener has read nothing since the query was sent, or has failed with exceptions; if neither, it lost the query
        under load.
        """
        return place.listener.heard == place.before or self._faults() > place.faults


class _Asking:
    """
    One check of one listener, from one or more source ports.
    """

    def __init__(self, reactor: IReactorTime, place: _Place, test: SelfTest, told: Callable[[bool], object]) -> None:
        self.token = test.token
        self.host = place.host
        self.port = place.listener.port
        self._reactor = reactor
        self._way = place.way
        self._listener = place.listener
        self._test = test
        self._told: Callable[[bool], object] | None = told
        self._ends: list[Callable[[], object]] = []
        self._timer: IDelayedCall | None = None

    def begin(self, ports: int) -> None:
        self._timer = self._reactor.callLater(WATCHDOG_PATIENCE.default, self._late)
        try:
            for _ in range(ports):
                if self._told is None:
                    return
                if self._way == "udp":
                    self._byDatagram(_Datagram(self, self._test.query()))
                elif self._way in _QUIC:
                    self._byDatagram(_Versions(self, cast("QuicListener", self._listener).servings.mark))
                else:
                    self._byStream(self._test.query())
        except BaseException:
            self.end(None)
            raise

    def _byDatagram(self, protocol: _Datagram) -> None:
        port: IListeningPort = IReactorUDP(self._reactor).listenUDP(0, protocol, "::" if ":" in self.host else "", _SIZE)
        self._ends.append(port.stopListening)

    def _byStream(self, query: bytes) -> None:
        factory: ClientFactory[_Stream] = ClientFactory()
        factory.noisy = False
        listener = cast("StreamListener", self._listener)
        factory.protocol = partial(_Stream, self, listener.framed(query))
        patience = int(WATCHDOG_PATIENCE.default) + 1
        reactor = IReactorTCP(self._reactor)
        if self._way in ("tls", "https"):
            from twisted.protocols.tls import TLSMemoryBIOFactory

            encrypted = TLSMemoryBIOFactory(_terms(), True, factory, self._reactor)
            encrypted.noisy = False
            connector = reactor.connectTCP(self.host, self.port, encrypted, patience)
        else:
            connector = reactor.connectTCP(self.host, self.port, factory, patience)
        self._ends.append(connector.disconnect)

    def _late(self) -> None:
        self._timer = None
        self.end(False)

    def end(self, answered: bool | None) -> None:
        """
        @param answered: L{None} if the query could not be sent, which proves nothing.
        """
        told, self._told = self._told, None
        if told is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ends, self._ends = self._ends, []
        for end in ends:
            end()
        told(bool(answered) or answered is None)


class _Datagram(DatagramProtocol):
    noisy = False

    def __init__(self, asking: _Asking, query: bytes) -> None:
        self._asking = asking
        self._query = query

    def startProtocol(self) -> None:
        transport = self.transport
        assert transport is not None
        try:
            transport.write(self._query, (self._asking.host, self._asking.port))
        except OSError:
            # This counts as unanswered.
            return

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        if datagram[:2] == self._query[:2] and self._asking.token in datagram:
            self._asking.end(True)


class _Versions(_Datagram):
    def __init__(self, asking: _Asking, mark: int) -> None:
        self._ids = urandom(_ID), urandom(_ID)
        super().__init__(asking, versionProbe(*self._ids))
        self._mark = mark

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        if self._mark in versionsIn(datagram, *self._ids):
            self._asking.end(True)


class _Stream(Protocol):
    def __init__(self, asking: _Asking, query: bytes) -> None:
        self._asking = asking
        self._query = query
        self._got = b""

    def connectionMade(self) -> None:
        transport = self.transport
        assert transport is not None
        transport.write(self._query)

    def dataReceived(self, data: bytes) -> None:
        self._got += data[:512]
        if self._asking.token in self._got:
            self._asking.end(True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._got and isinstance(reason.value, ConnectionDone):
            # It accepted and closed, as for clients that get no reply.
            self._asking.end(True)
