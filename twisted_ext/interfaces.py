"""
Every zope interface of this package: what others may implement, plug in or adapt to.
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
    Anything that answers questions: a server asked by UDP, a cache, a hosts file, and each of them with something wrapped around it.

    Both ways of asking agree: what C{answerNow} gives, C{answer} would give as well. An answer may be a denial; an exception, raised
    by C{answerNow} or carried by the L{Deferred}, is a L{twisted_ext.errors.DNSFault} and means that this source does not know.

    A source that never has to wait may say so with an attribute C{immediate} that is true from its making on: then L{None} from its
    C{answerNow} means that it has nothing on the question, and whoever combines sources goes on to the next one at once. Without
    the attribute L{None} may just as well mean that the answer takes time.
    """

    def answerNow(question: Question, context: QueryContext) -> Answer | None:
        """
        Give the answer if it is already at hand.

        @return: L{None} where it would have to be waited for, or where this source has nothing on it.
        """

    def answer(question: Question, context: QueryContext) -> Deferred[Answer]:
        """
        Find the answer, however long that takes, but not beyond C{context.deadline}.

        The L{Deferred} can be cancelled, which ends all work that nobody else waits for.

        It fails with L{twisted_ext.errors.Unknown} where this source has nothing to say, so that another may be asked.
        """

    def close() -> Deferred[None]:
        """
        Let go of all sockets and timers; look-ups under way fail with L{twisted_ext.errors.Closed}. Closing again does nothing.

        @return: fires when nothing is left.
        """

    def sources() -> tuple[IAnswerSource, ...]:
        """
        @return: what this source asks in its turn, outermost first; empty for one that knows by itself.
        """


class IExchange(Interface):
    """
    One server, asked by one way: UDP, TCP, TLS, HTTPS, QUIC.

    It sends queries and matches replies by address, port and id. It hands each reply to its
    L{PendingQuery<twisted_ext.transport.exchange.PendingQuery>}, which judges it; there is no Deferred on the way. It holds no socket
    and no timer while no query is pending, unless it was told to keep its connection alive. The caller decides how long to wait.
    """

    kind: str = Attribute("The way, as L{twisted_ext.answers.Origin.source} has it: C{'udp'}, C{'tcp'}...")

    label: str = Attribute("The server, for people: C{'192.0.2.1:53'}.")

    reliable: bool = Attribute(
        "Whether what is lost is reported, so that nothing needs to be sent again, and nobody but the server can have sent what arrives."
    )

    def ask(asking: PendingQuery, now: float) -> tuple[Channel, bytes]:
        """
        Send a query under an id of this exchange's choice, or have it wait for a connection.

        From then on exactly one of three things ends it: the asking one calls C{leg.release(key)}; this calls its C{failed}; or this
        raises. None of its methods is called before this has returned.

        @return: the leg and the key to release.

        @raise Unreachable: it cannot be sent.
        """

    def settle() -> None:
        """
        Nobody waits any more: let go of sockets and idle connections, at once or, where keep-alive was asked for, when its time is over.
        """

    def close() -> Deferred[None]:
        """
        Let go of everything. Whoever still waited has been told already, or does not care.

        @return: fires when nothing is left.
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
    A database with zones, which others change as well.

    Every method may wait for a disk or for another machine, so a server calls them from a thread, and never two at once. Each sees the
    database as it is at one moment. Whatever goes wrong with it is a L{twisted_ext.errors.StorageFault}.
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
        Look what has changed. It costs next to nothing where nothing has.

        @param since: what C{position} or the last C{news} gave.

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
