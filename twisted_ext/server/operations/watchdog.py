"""
The watchdog: sends self-test queries to each of the server's listeners to check that it still answers.

A live process and a running reactor prove little: a socket may have been removed from the reactor. Each listener is queried for a name that
only this server knows, which is answered regardless of access control, and shows which process answered where several share a port. A
listener that does not answer but still reads other queries counts as busy: a flood can crowd out the self-test query, and must not end the
server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IReactorTCP, IReactorTime, IReactorUDP
from twisted.internet.protocol import ClientFactory, DatagramProtocol, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.server.limits import WATCHDOG_FAILURES, WATCHDOG_PATIENCE, WATCHDOG_PORTS, WATCHDOG_SECONDS
from twisted_ext.server.reply.selftest import SelfTest
from twisted_ext.wire.framing import frame

__all__ = ["Watched", "Watchdog"]

#: The maximum size of a reply that is read.
_SIZE: Final = 4096

#: Wildcard addresses, and the address to query for each.
_OWN: Final = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


class Watched(Protocol):
    """
    A listener.

    @ivar address: the listening address, which may be a wildcard.
    @ivar port: its port.
    """

    address: str

    @property
    def port(self) -> int:
        """
        Its port, 0 while there is none.
        """

    @property
    def heard(self) -> int:
        """
        A number that grows whenever it has read something.
        """


class _Place:
    """
    A listener, and what is known of it.
    """

    def __init__(self, way: str, listener: Watched) -> None:
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

    @ivar well: whether each listener answered when it was last asked, or was busy. One that has never answered does not count: a firewall
        may keep this process from reaching it.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        test: SelfTest,
        datagrams: Sequence[Watched],
        streams: Sequence[Watched],
        failed: Callable[[str], object],
        faults: Callable[[], int] = lambda: 0,
        *,
        shared: bool = False,
        seconds: float | None = None,
    ) -> None:
        """
        @param failed: called with a line when a listener has given no answer several times in a row.
        @param faults: gives how many unexpected exceptions there have been: a listener that reads but fails is not busy.
        @param shared: whether other processes listen at the same addresses and ports. The system chooses one of them by the client's port:
            many are tried at once.
        @param seconds: between two questions.
        """
        self.well = True
        self._reactor = reactor
        self._test = test
        # A link-local address takes an interface as well.
        self._places = [
            _Place(way, listener)
            for way, listeners in (("udp", datagrams), ("tcp", streams))
            for listener in listeners
            if "%" not in listener.address
        ]
        self._failed = failed
        self._faults = faults
        # Times in a row that there was no memory to ask with.
        self._short = 0
        self._ports = int(WATCHDOG_PORTS.default) if shared else 1
        self._seconds = WATCHDOG_SECONDS.pick(seconds)
        self._asking: list[_Asking] = []
        self._looping = LoopingCall(self._look)
        self._looping.clock = reactor

    def start(self) -> None:
        """
        Begin to ask.
        """
        looping = self._looping.start(self._seconds, now=False)
        looping.addErrback(lambda failure: self._log.failure("the watchdog has ended", failure=failure))

    def stop(self) -> None:
        """
        Ask no more.
        """
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
                # Such as a lack of descriptors or memory. It says nothing about the listener.
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
                self._log.warn("{label} does not answer this server itself", label=place.label)
            elif place.failures == WATCHDOG_FAILURES.default:
                self._log.warn("this server cannot reach itself at {label}, and does not watch whether it answers there", label=place.label)
        deaf = [each for each in self._places if each.answered and each.failures]
        self.well = not deaf
        for each in deaf:
            if each.failures >= WATCHDOG_FAILURES.default:
                # Once.
                self._looping.stop()
                self._failed(f"{each.label} port {each.listener.port} has not answered for {each.failures * self._seconds:.0f} seconds")
                return

    def _isDeaf(self, place: _Place) -> bool:
        """
        @return: whether there is no sign that the listener reads and answers: one that does has lost the question among other things.
        """
        return place.listener.heard == place.before or self._faults() > place.faults


class _Asking:
    """
    One question to one listener, from as many ports as it may take.
    """

    def __init__(self, reactor: IReactorTime, place: _Place, test: SelfTest, told: Callable[[bool], object]) -> None:
        self.token = test.token
        self.host = place.host
        self.port = place.listener.port
        self._reactor = reactor
        self._way = place.way
        self._test = test
        self._told: Callable[[bool], object] | None = told
        self._ends: list[Callable[[], object]] = []
        self._timer: IDelayedCall | None = None

    def begin(self, ports: int) -> None:
        self._timer = self._reactor.callLater(WATCHDOG_PATIENCE.default, self._late)
        try:
            for _ in range(ports):
                if self._told is not None:
                    (self._byDatagram if self._way == "udp" else self._byStream)(self._test.query())
        except BaseException:
            self.end(None)
            raise

    def _byDatagram(self, query: bytes) -> None:
        protocol = _Datagram(self, query)
        port: IListeningPort = IReactorUDP(self._reactor).listenUDP(0, protocol, "::" if ":" in self.host else "", _SIZE)
        self._ends.append(port.stopListening)

    def _byStream(self, query: bytes) -> None:
        factory = _Factory(self, query)
        connector = IReactorTCP(self._reactor).connectTCP(self.host, self.port, factory, int(WATCHDOG_PATIENCE.default) + 1)
        self._ends.append(connector.disconnect)

    def _late(self) -> None:
        self._timer = None
        self.end(False)

    def end(self, answered: bool | None) -> None:
        """
        @param answered: L{None} where it could not be asked, which says nothing.
        """
        told, self._told = self._told, None
        if told is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for end in self._ends:
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
            # As good as no answer.
            return

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        if datagram[:2] == self._query[:2] and self._asking.token in datagram:
            self._asking.end(True)


class _Stream(StreamProtocol):
    def __init__(self, asking: _Asking, query: bytes) -> None:
        self._asking = asking
        self._query = query
        self._got = b""

    def connectionMade(self) -> None:
        transport = self.transport
        assert transport is not None
        transport.write(frame(self._query))

    def dataReceived(self, data: bytes) -> None:
        self._got += data[:512]
        if self._asking.token in self._got:
            self._asking.end(True)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._got and isinstance(reason.value, ConnectionDone):
            # Taken and closed, as from addresses that get no reply.
            self._asking.end(True)


class _Factory(ClientFactory):
    noisy = False

    def __init__(self, asking: _Asking, query: bytes) -> None:
        self._asking = asking
        self._query = query

    def buildProtocol(self, addr: IAddress | None) -> _Stream:
        return _Stream(self._asking, self._query)
