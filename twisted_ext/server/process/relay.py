"""
Forwards requests from workers to their parent, which alone authorizes requests and changes zones, and returns its replies.

A worker forwards the original message with the client's address as seen by its socket. The parent handles the request as if it had received
it directly. It replies with whole messages, or lets the worker send the zone itself: transfers are large, and the worker has the same zone.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_ext.errors import Refused
from twisted_ext.packetcache.clients import View
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.resolver.sources import FailingSource
from twisted_ext.server.config.keys import TLSPeer
from twisted_ext.server.features.access.feature import AccessSettings
from twisted_ext.server.features.cookies.feature import CookieSettings
from twisted_ext.server.features.views.selectors import Selectors
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.limits import PASSED_OCTETS, PASSED_SECONDS, PASSED_WAITING
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.opcodes import Delegable, MessageStream, OpcodeHandler, Outcome
from twisted_ext.server.reply.packetcaches import ClientGroups, cacheOf
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.transfer.fairqueue import Slots
from twisted_ext.wire.codes import Opcode, Rcode

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.settings import Settings

__all__ = ["GONE", "RelayedRequests", "Relay", "keysFrom"]

#: Octets of a reply that the parent returns through a worker; the worker sends larger transfers itself.
_PASSED_REPLY: Final = 1 << 18

# Info codes of extended errors (RFC 8914).
_OTHER: Final = 0
_NOT_READY: Final = 14

_BUSY: Final = Refusal(Rcode.SERVFAIL, ((_NOT_READY, "too many requests wait for the parent process; try again"),))
GONE: Final = Refusal(Rcode.SERVFAIL, ((_OTHER, "the parent process does not reply"),))

_log: Final = Logger(__name__)


@dataclass(slots=True, eq=False)
class _Passage:
    request: Request
    done: Deferred[Refusal | MessageStream]
    timer: IDelayedCall
    # Fires when this process has a transfer slot to send the zone itself.
    turn: Deferred[Refusal | MessageStream] | None = None


class Relay:
    """
    Handles requests in a worker by forwarding them to the parent.

    @ivar unread: the worker does not parse the message; the parent does.
    """

    unread: Final = True

    def __init__(
        self,
        clock: IReactorTime,
        say: Callable[[dict[str, object]], object],
        own: Callable[[Request, bool, str], Outcome],
        *,
        most: int | None = None,
        octets: int | None = None,
    ) -> None:
        """
        @param say: sends a message to the parent.
        @param own: sends a zone of a view to a client that the parent has authorized, each record in a separate message if the flag is set.
        @param most: maximum number of requests that wait for a reply: at most half of them over UDP, and a quarter from one network. Beyond
            that, requests over TCP are queued, with networks taking turns, and requests over UDP are refused.
        @param octets: maximum octets of all these; half of that for UDP.
        """
        self._clock = clock
        self._say = say
        self._own = own
        self._most = int(PASSED_WAITING.pick(most))
        self._mostOctets = int(PASSED_OCTETS.pick(octets))
        self._waiting: dict[int, _Passage] = {}
        self._slots = Slots(self._most, self._most // 4)
        # Requests that have not been forwarded yet.
        self._turns: dict[Deferred[None], None] = {}
        self._octets = 0
        self._count = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __call__(self, request: Request) -> Outcome:
        if self._closed:
            return GONE
        # Over UDP the source address may be spoofed: leave room for clients using TCP, and for other networks.
        share = 2 if request.transport == "udp" else 1
        site = request.record.site
        octets = len(request.wire)
        if self._octets + octets > self._mostOctets // share:
            return _BUSY
        if share == 2:
            if self._slots.running >= self._most // share or self._slots.waiting or not self._slots.take(site):
                return _BUSY
        elif not self._slots.take(site):
            self._octets += octets
            turn = self._slots.acquire(site)
            self._turns[turn] = None
            return cast("Deferred[Refusal | MessageStream]", turn.addCallbacks(self._turned, self._left, (turn, request), {}, (request,)))
        self._octets += octets
        return self._pass(request)

    def _turned(self, _: None, turn: Deferred[None], request: Request) -> Deferred[Refusal | MessageStream]:
        del self._turns[turn]
        return self._pass(request)

    def _left(self, _: object, request: Request) -> Refusal:
        self._octets -= len(request.wire)
        return GONE

    def _pass(self, request: Request) -> Deferred[Refusal | MessageStream]:
        self._count += 1
        number = self._count
        done: Deferred[Refusal | MessageStream] = Deferred()
        self._waiting[number] = _Passage(request, done, self._clock.callLater(PASSED_SECONDS.default, self._finish, number, GONE))
        told: dict[str, object] = {
            "pass": number,
            "wire": b64encode(request.wire).decode("ascii"),
            "address": list(request.address),
            "transport": request.transport,
        }
        if request.peer is not None:
            told["peer"] = request.peer.toJSON()
        if request.door != NOWHERE:
            # The parent checks the signature.
            told["door"] = [*request.door[:3], *request.door[4:]]
        self._say(told)
        return done

    def take(self, said: dict[str, JSON]) -> None:
        """
        Handle a reply of the parent: with C{messages}, or with C{own} if this process is to send the zone.
        """
        number = cast(int, said["passed"])
        passage = self._waiting.get(number)
        if passage is None:
            return
        outcome: Outcome
        if "own" in said:
            outcome = self._own(passage.request, bool(said["own"]), str(said.get("view", "")))
            if isinstance(outcome, Deferred):
                # It waits for a transfer slot here; the timeout for the whole request still applies.
                passage.turn = cast("Deferred[Refusal | MessageStream]", outcome)
                passage.turn.addErrback(lambda failure: GONE).addCallback(self._ownTurn, number)
                return
        else:
            messages = [b64decode(str(message)) for message in cast("list[JSON]", said["messages"])]
            outcome = iter(messages) if messages else GONE
        self._finish(number, outcome)

    def _ownTurn(self, outcome: Refusal | MessageStream, number: int) -> None:
        if number in self._waiting:
            self._waiting[number].turn = None
            self._finish(number, outcome)

    def _finish(self, number: int, outcome: Refusal | MessageStream) -> None:
        passage = self._waiting.pop(number)
        self._octets -= len(passage.request.wire)
        self._slots.release(passage.request.record.site)
        if passage.timer.active():
            passage.timer.cancel()
        turn, passage.turn = passage.turn, None
        if turn is not None:
            turn.cancel()
        passage.done.callback(outcome)

    def close(self) -> None:
        self._closed = True
        for turn in list(self._turns):
            turn.cancel()
        self._turns.clear()
        for number in list(self._waiting):
            self._finish(number, GONE)


class RelayedRequests:
    """
    Handles, in the parent, the requests that workers forward.

    @ivar cookieSecrets: see L{Workforce<twisted_ext.server.process.workers.Workforce>}.
    """

    def __init__(
        self, clock: IReactorTime, settings: Settings, secret: bytes, settled: Callable[[], Deferred[None]]
    ) -> None:
        """
        @param settled: returns a Deferred that fires when all workers have applied everything sent to them so far.
        """
        self._secret = secret
        self.cookieSecrets: tuple[bytes, ...] = ()
        self._settled = settled
        # The worker has already checked ACL and rate limits. Here clients are divided into views only, as they are there.
        self._groups = ClientGroups(public=True)
        self._source = FailingSource(lambda: Refused("the parent process does not answer queries"))
        self.handlers: Mapping[int, OpcodeHandler] = {}
        self._responder = Responder(self._source, clock, gates=(), packetCache=cacheOf(self._groups, None))
        self.see(settings, {}, None)

    def see(
        self,
        settings: Settings,
        handlers: Mapping[int, OpcodeHandler],
        keys: Keys | None,
        expiring: Callable[[Request], float | None] | None = None,
    ) -> None:
        """
        Set the handlers for forwarded requests; see L{Frontend.see<twisted_ext.server.frontend.Frontend.see>}.
        """
        self.handlers = handlers
        self._keys = keys
        responder = self._responder
        responder.handlers = dict(handlers)
        cookies = Cookies(*(self.cookieSecrets or (self._secret,)), alone=not self.cookieSecrets)
        responder.gates = standardGates(
            cookies=cookies if settings[CookieSettings].cookies else None,
            keys=keys,
            handlers=handlers,
            packetCache=responder.packetCache,
        )
        responder.replyBuilder = ReplyBuilder.of(settings)
        responder.replyBuilder.expiring = expiring
        self._divide(settings)

    def _divide(self, settings: Settings) -> None:
        """
        Divide clients into the views of these settings from now on.
        """
        views = viewsOf(settings)
        selectors = Selectors([view.clients for view in views], [view.name for view in views])
        access = Access(settings[AccessSettings].rules, "zones")
        self._groups.configure([access.admit, selectors.admit], [View(view.name, self._source) for view in views], requires=False)
        self._responder.packetCache.regroup(self._groups.all, selectors.doors.beside(access.doors))
        self._responder.packetCache.clear()

    def told(self) -> dict[str, object]:
        """
        Return the message for workers: which requests to forward, and the TSIG keys for the requests that they parse.
        """
        keys = [] if self._keys is None else [*self._keys.values()]
        return {
            "operations": [*self.handlers],
            "keys": [[key.name.hex(), key.secret.hex(), key.algorithm.hex(), key.macSize] for key in keys],
        }

    def take(self, said: dict[str, JSON], reply: Callable[[dict[str, object]], object]) -> None:
        """
        Handle a request forwarded by L{Relay}.
        """
        number = said["pass"]
        wire = b64decode(str(said["wire"]))
        host, port = cast("list[JSON]", said["address"])[:2]

        def give(messages: list[bytes]) -> None:
            reply({"passed": number, "messages": [b64encode(message).decode("ascii") for message in messages]})

        def send(octets: bytes) -> None:
            if wire[2] >> 3 & 15 == Opcode.UPDATE and not octets[3] & 15:
                # A client whose update succeeded has to see the change on whichever worker it queries next.
                self._settled().addCallback(lambda _: give([octets])).addErrback(_bug)
            else:
                give([octets])

        def flow(made: Iterator[bytes]) -> None:
            messages: list[bytes] = []
            octets = 0
            for message in made:
                octets += len(message)
                if octets > _PASSED_REPLY and isinstance(made, Delegable):
                    reply({"passed": number, "own": made.handOver(), "view": made.view})
                    return
                messages.append(message)
            give(messages)

        try:
            stream = said["transport"] != "udp"
            peer = TLSPeer.fromJSON(said.get("peer"))
            where = str(host), int(str(port))
            door = _doorFrom(said.get("door"))
            take = self._responder.take
            taken = take(wire, where, str(said["transport"]), send, flow=flow if stream else None, peer=peer, door=door)
        except Exception:
            _log.failure("a request that a worker forwarded could not be answered")
            taken = False
        if not taken:
            give([])

    def close(self) -> None:
        self._responder.close()


def keysFrom(told: JSON) -> Keys:
    """
    Restore the keys in a message of L{RelayedRequests.told}.
    """
    from twisted_ext.server.config.keys import Keys
    from twisted_ext.wire.tsig import Key

    found: list[Key] = []
    for name, secret, algorithm, size in cast("list[list[JSON]]", told):
        found.append(Key(bytes.fromhex(str(name)), bytes.fromhex(str(secret)), bytes.fromhex(str(algorithm)), int(str(size))))
    return Keys(found, weak=True)


def _doorFrom(said: JSON) -> Door:
    if not isinstance(said, list):
        return NOWHERE
    listener, serverName, path, port, isEncrypted = said
    return Door(str(listener), str(serverName), str(path), b"", int(str(port)), bool(isEncrypted))


def _bug(failure: object) -> None:
    _log.error("the reply to a request that a worker forwarded was lost: {failure}", failure=failure)
