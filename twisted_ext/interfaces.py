"""
All zope interfaces of this package, for applications to implement, plug in or adapt to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred

    from twisted_ext.answers import Answer, QueryContext
    from twisted_ext.errors import BadZone
    from twisted_ext.packetcache.clients import Arrived, Client
    from twisted_ext.packetcache.doors import Door
    from twisted_ext.server.reply.requests import Refusal, Request
    from twisted_ext.transport.exchange import Channel, PendingQuery
    from twisted_ext.transport.servers import Server
    from twisted_ext.wire.message import Question
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.events import News
    from twisted_ext.zone.store.version import DirectAnswer

__all__ = [
    "IAnswerSource",
    "IDirectReader",
    "IDirectSource",
    "IExchange",
    "IHitObserver",
    "IQueryObserver",
    "IResolverParser",
    "IServerFeature",
    "IStoreParser",
    "IZoneStore",
    "Start",
]

#: Starts a look-up that L{IAnswerSource.ask} could not finish at once. The context is the one that was passed to C{ask}, or a copy with
#: another deadline, budget or trace. Called at most once. The L{Deferred} fires by C{context.deadline}; cancelling it ends all work
#: that no other caller waits for.
Start = Callable[["QueryContext"], "Deferred[Answer]"]


class IAnswerSource(Interface):
    """
    A source of answers to questions: a server queried over UDP, a cache, a hosts file, or a wrapper around another source.

    An answer may be a denial. An exception, raised by C{ask} or carried by the L{Deferred} of a started look-up, is a
    L{twisted_ext.errors.DNSFault} and means that this source does not know the answer.

    A source that returns L{None} may have a method C{unknown(question)}, which returns the L{twisted_ext.errors.Unknown} to report if no
    other source has an answer either.
    """

    def ask(question: Question, context: QueryContext) -> Answer | Start | None:
        """
        Answer without waiting, if possible. Nothing is sent before the returned function is called, so C{context.deadline} does not matter
        yet.

        @return: the answer; a function that starts a look-up, if that takes time; L{None} if this source has no information on the
            question, so that another may be tried.
        """

    def close() -> Deferred[None]:
        """
        Close all sockets and cancel all timers. Pending look-ups fail with L{twisted_ext.errors.Closed}. Further calls do nothing.

        @return: fires when everything is closed.
        """

    def sources() -> tuple[IAnswerSource, ...]:
        """
        Return the sources that this one queries, outermost first; empty if it queries none.
        """


class IDirectSource(IAnswerSource):
    """
    A source that has records of zones as they are sent, so that a server can copy them into a reply.
    """

    def directAnswer(question: Question, dnssecOk: bool) -> DirectAnswer | None:
        """
        Return what C{ask} would answer, if that is only records and they can be taken from a zone as they are; otherwise L{None}.

        @param dnssecOk: whether the client wants signatures.
        """


class IExchange(Interface):
    """
    The queries to one server over one transport: UDP, TCP, TLS, HTTPS, QUIC.

    It sends queries and matches replies by address, port and id. It passes each reply to its
    L{PendingQuery<twisted_ext.transport.exchange.PendingQuery>}, which validates it; no Deferred is involved. It holds no socket
    and no timer while no query is pending, unless keep-alive is enabled. The caller decides how long to wait.
    """

    kind: str = Attribute("The transport, as in L{twisted_ext.answers.Origin.source}: C{'udp'}, C{'tcp'}...")

    server: Server = Attribute("The server.")

    label: str = Attribute("The server, for display: C{'192.0.2.1:53'}.")

    reliable: bool = Attribute(
        "Whether losses are reported, so that no query needs to be retransmitted, and replies cannot come from anyone but the server."
    )

    def ask(asking: PendingQuery, now: float) -> tuple[Channel, bytes]:
        """
        Send a query with an id chosen by this exchange, or queue it until there is a connection.

        The query ends in exactly one of three ways: its L{PendingQuery<twisted_ext.transport.exchange.PendingQuery>} calls
        C{channel.release(key)}; this exchange calls its C{failed}; or this method raises. No method of the pending query is called before
        this has returned.

        @return: the channel and the key to release.

        @raise Unreachable: the query cannot be sent.
        """

    def settle() -> None:
        """
        Called when no query is pending any more: close sockets and idle connections, at once or, with keep-alive, when its timeout has
        passed.
        """

    def close() -> Deferred[None]:
        """
        Release all resources. The caller has failed pending queries before, or ignores their outcome.

        @return: fires when everything is closed.
        """


class IQueryObserver(Interface):
    """
    Is told what became of each request that the packet cache of a server has not answered. Called for each of them: it must be quick, and
    must not raise.
    """

    def replied(request: Request, octets: bytes, cause: Answer | DirectAnswer | Refusal | None, gate: str) -> None:
        """
        A reply was sent.

        @param octets: the reply, C{b""} for a transfer that is sent as several messages.
        @param cause: the answer or refusal in it; L{None} for a transfer.
        @param gate: the name of the gate that refused the request, C{"transfer"} for a transfer, else C{""}.
        """

    def dropped(request: Request, why: str) -> None:
        """
        A request gets no reply.

        @param why: the name of the gate that dropped it, C{"late"} for an answer that came too late for UDP, C{"overflow"} if too many
            requests waited, C{"limit"} for a reply above the response rate, C{"blocked "} and the place of the rule if one says so,
            C{"failure"} otherwise.
        """


class IHitObserver(IQueryObserver):
    """
    Is told of those that the packet cache has answered, too.
    """

    takesMade: bool = Attribute(
        "Whether it is enough to be told of replies from zones in the same way, so that they may be made without a request being read."
    )

    def hits(
        queries: Sequence[Arrived], bodies: Sequence[bytes], clients: Sequence[Client], transport: str, now: float, door: Door
    ) -> None:
        """
        Some queries that arrived together were answered.

        @param queries: each with where it came from, as the socket reports it.
        @param bodies: the replies without their ids, which are those of the queries.
        @param clients: who has sent them.
        @param transport: C{"udp"}, C{"tcp"}, C{"tls"}, C{"https"} or C{"quic"}.
        @param door: how they came in.
        """


class IServerFeature(Interface):
    """
    A feature of the server of another package, found by Twisted's plugin system. Implementers extend
    L{Feature<twisted_ext.server.features.base.feature.Feature>}, and provide L{twisted.plugin.IPlugin} too. It is loaded where one of its
    settings, or its commands, are named.
    """

    name: str = Attribute("One word that no other feature has.")

    settings = Attribute("The class of its settings, a subclass of L{Section<twisted_ext.server.config.setting.Section>}.")


class IResolverParser(Interface):
    """
    A prefix of resolver descriptions, found by Twisted's plugin system.

    Implementers provide L{twisted.plugin.IPlugin} too. C{twisted_ext.resolver.strings.descriptions.LazyParser} implements both, given four
    strings.
    """

    prefix: str = Attribute("The word before the first colon of a description.")

    summary: str = Attribute("One line for C{txdns plugins}: what this prefix does.")

    def load() -> Callable[..., IAnswerSource]:
        """
        Import the function that builds the source.

        @return: a function called with a L{twisted_ext.resolver.strings.descriptions.Site}, the description's positional arguments, and its
            C{key=value} arguments as keywords. Its signature is the schema: other arguments are errors in the description. Arguments are
            converted to the annotated types: C{str}, C{int}, C{float}, C{bool}, L{IAnswerSource} for a nested description, or any class
            with a C{fromText} that takes the text and raises L{twisted_ext.errors.CallerFault}. With C{**options: Unpack[Group]}, the keys
            of the L{TypedDict<typing.TypedDict>} C{Group} are further arguments.
        """


class IStoreParser(Interface):
    """
    A kind of databases of zones, found by Twisted's plugin system.

    Implementers provide L{twisted.plugin.IPlugin} too. C{twisted_ext.server.config.stores.LazyStore} implements both, given four strings.
    """

    prefix: str = Attribute("The word before the first colon of a description, of lower-case letters and digits.")

    summary: str = Attribute("One line for C{txdns plugins}: what databases these are, and how one is described.")

    def load() -> Callable[[str], IZoneStore]:
        """
        Import the function that opens a database.

        @return: a function called with the rest of the description, behind the prefix and its colon. It raises
            L{twisted_ext.errors.BadDescription} or L{twisted_ext.errors.StorageFault} if it cannot open it. It may block.
        """


class IZoneStore(Interface):
    """
    A database of zones, which other processes may change as well.

    Every method may block on a disk or another host, so a server calls them from a thread, and never two at once. Each sees a consistent
    snapshot of the database. All failures are a L{twisted_ext.errors.StorageFault}.
    """

    label: str = Attribute("The database as people see it: without what must not be in a log, such as a password.")

    def zones() -> dict[bytes, int]:
        """
        Return the names of all zones, in their original case, with their serial numbers.
        """

    def create(apexName: bytes, sets: Sequence[RRSet]) -> None:
        """
        Add a zone.

        @param sets: its RRsets, including the SOA.

        @raise StorageFault: it exists already.
        @raise BadZone: it has no SOA.
        """

    def position() -> int:
        """
        Return the current position in the database's sequence of changes, for C{news}. Called before zones are loaded.
        """

    def load(apexName: bytes) -> list[RRSet]:
        """
        Return all records of a zone, including the SOA record with its serial number.

        @raise BadZone: the zone does not exist, or a record is not valid; says which.
        """

    def news(since: int) -> tuple[int, dict[bytes, News | BadZone]]:
        """
        Return the changes since a position. This is cheap if there are none. What C{write} has written need not be among them; if it is,
        it has names and their SOA record, by whose serial a server knows that it has it.

        @param since: the position that C{position} or the last C{news} returned.

        @return: the current position, and for each changed zone, by its folded name, its changes or its error. Changes
            with names and their SOA record are applied; without one of these, the whole zone is read again, and secondaries get all of it.
        """

    def write(differences: Sequence[Difference]) -> None:
        """
        Write changes that a server has made to its zones, all of them or none. They are durable when this returns.

        @raise StoreMoved: the zone has another serial number: C{news} tells of the changes since, and the server makes its own again.
        @raise StorageFault: it cannot be written.
        """

    def close() -> None:
        """
        Close the database.
        """


class IDirectReader(IReadDescriptor, Interface):
    """
    A read descriptor that L{DirectReactor<twisted_ext.transport.reactor.DirectReactor>} may call directly: its C{doRead} neither raises
    nor returns anything, and what it logs does not use Twisted's log context.
    """
