"""
All zope interfaces of this package, for applications to implement, plug in or adapt to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.defer import Deferred

    from twisted_ext.answers import Answer, QueryContext
    from twisted_ext.errors import BadZone
    from twisted_ext.transport.exchange import Channel, PendingQuery
    from twisted_ext.wire.message import Question
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.changeset import Difference
    from twisted_ext.zone.store.events import News

__all__ = ["IAnswerSource", "IExchange", "IResolverParser", "IZoneStore"]


class IAnswerSource(Interface):
    """
    A source of answers to questions: a server queried over UDP, a cache, a hosts file, or a wrapper around another source.

    Both methods agree: what C{answerNow} returns, C{answer} would return as well. An answer may be a denial; an exception, raised
    by C{answerNow} or carried by the L{Deferred}, is a L{twisted_ext.errors.DNSFault} and means that this source does not know the answer.

    A source that never has to wait may have an attribute C{immediate} that is true from its creation on: then L{None} from its
    C{answerNow} means that it has no answer, and sources that combine others try the next one at once. Without the attribute, L{None}
    may also mean that the answer takes time.
    """

    def answerNow(question: Question, context: QueryContext) -> Answer | None:
        """
        Return the answer if it is available without waiting.

        @return: L{None} if the answer takes time, or if this source has no information on the question.
        """

    def answer(question: Question, context: QueryContext) -> Deferred[Answer]:
        """
        Find the answer by C{context.deadline}.

        Cancelling the L{Deferred} ends all work that no other caller waits for.

        It fails with L{twisted_ext.errors.Unknown} if this source has no information on the question, so that another may be tried.
        """

    def close() -> Deferred[None]:
        """
        Close all sockets and cancel all timers. Pending look-ups fail with L{twisted_ext.errors.Closed}. Closing again does nothing.

        @return: fires when everything is closed.
        """

    def sources() -> tuple[IAnswerSource, ...]:
        """
        Return the sources that this one queries, outermost first; empty if it queries none.
        """


class IExchange(Interface):
    """
    The queries to one server over one transport: UDP, TCP, TLS, HTTPS, QUIC.

    It sends queries and matches replies by address, port and id. It passes each reply to its
    L{PendingQuery<twisted_ext.transport.exchange.PendingQuery>}, which validates it; no Deferred is involved. It holds no socket
    and no timer while no query is pending, unless keep-alive is enabled. The caller decides how long to wait.
    """

    kind: str = Attribute("The way, as L{twisted_ext.answers.Origin.source} has it: C{'udp'}, C{'tcp'}...")

    label: str = Attribute("The server, for people: C{'192.0.2.1:53'}.")

    reliable: bool = Attribute(
        "Whether what is lost is reported, so that nothing needs to be sent again, and nobody but the server can have sent what arrives."
    )

    def ask(asking: PendingQuery, now: float) -> tuple[Channel, bytes]:
        """
        Send a query with an id chosen by this exchange, or queue it until there is a connection.

        The query ends in exactly one of three ways: its L{PendingQuery<twisted_ext.transport.exchange.PendingQuery>} calls
        C{leg.release(key)}; this exchange calls its C{failed}; or this method raises. No method of the pending query is called before this
        has returned.

        @return: the leg and the key to release.

        @raise Unreachable: it cannot be sent.
        """

    def settle() -> None:
        """
        Called when no query is pending any more: close sockets and idle connections, at once or, with keep-alive, when its time is over.
        """

    def close() -> Deferred[None]:
        """
        Release all resources. Pending queries must have been failed before, or their outcome must not matter.

        @return: fires when everything is closed.
        """


class IResolverParser(Interface):
    """
    A prefix of resolver descriptions, found by Twisted's plugin system.

    Implementers provide L{twisted.plugin.IPlugin} too. C{twisted_ext.resolver.strings.descriptions.LazyParser} does all of it from four
    strings.
    """

    prefix: str = Attribute("The word before the first colon of a description.")

    summary: str = Attribute("One line for C{txdns plugins}: what this prefix does.")

    def load() -> Callable[..., IAnswerSource]:
        """
        Import what builds the source.

        @return: a function called with a L{twisted_ext.resolver.strings.descriptions.Site}, then the description's positional arguments,
            and its C{key=value} ones as keywords. Its signature is the schema: what it does not take is an error of the description's
            writer. Annotations say what the texts are turned into beforehand: C{str}, C{int}, C{float}, C{bool}, L{IAnswerSource} for a
            description within the description, or any class with a C{fromText} that takes the text and raises
            L{twisted_ext.errors.CallerFault}.
        """


class IZoneStore(Interface):
    """
    A database with zones, which other processes may change as well.

    Every method may block on a disk or another machine, so a server calls them from a thread, and never two at once. Each sees a
    consistent snapshot of the database. All failures are a L{twisted_ext.errors.StorageFault}.
    """

    def zones() -> list[bytes]:
        """
        @return: the names of all zones, as they are written.
        """

    def position() -> int:
        """
        @return: how far the database's changes go by now, for C{news}. To be asked before zones are loaded.
        """

    def load(apexName: bytes) -> list[RRSet]:
        """
        @return: all records of a zone, the SOA with its serial number among them.

        @raise BadZone: there is no such zone, or one of its records is none; says which.
        """

    def news(since: int) -> tuple[int, dict[bytes, News | BadZone]]:
        """
        Report what has changed. This is cheap if nothing has.

        @param since: the position that C{position} or the last C{news} returned.

        @return: how far the changes go now, and for each zone with any, by its folded name, what is new in it or what is wrong with it.
        """

    def write(differences: Sequence[Difference]) -> None:
        """
        Make changes that a server has made to its zones, all of them or none. When this returns they last.

        @raise StorageFault: the zone is at another serial number, or it cannot be written.
        """

    def close() -> None:
        """
        Let go of the database.
        """
