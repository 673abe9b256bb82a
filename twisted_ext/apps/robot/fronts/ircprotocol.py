"""
The protocol of IRC with capabilities (IRCv3): a connection of the robot to a server.
"""

from __future__ import annotations

import random
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.words.protocols.irc import IRCClient, numeric_to_symbolic

from twisted_ext.apps.robot.events import Event, Joined, Kicked, Left, Message, Quit, Renamed, Topic
from twisted_ext.apps.robot.limits import CHANNEL_MEMBERS, REGISTRATION_SECONDS
from twisted_ext.apps.robot.people import Mask, Person, Place, folded
from twisted_ext.apps.robot.text import Line, Span, Style, clean

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from twisted_ext.apps.robot.fronts.irc import IRCFront

__all__ = ["IRCConnection", "decoded", "piecesOf", "withoutFormats"]

#: Seconds from the connection for capabilities and SASL, after which the robot goes on without what the server has not answered. The other
#: half of the time for registration is left for the rest.
_NEGOTIATION_SECONDS: Final = 30.0

#: Seconds between two replies to CTCP queries on a network.
_CTCP_SECONDS: Final = 10.0

_log: Final = Logger(__name__)

#: The capabilities that the robot requests.
_WANTED: Final = frozenset(["account-tag", "extended-join", "sasl"])

#: Characters of a nick that every server takes (RFC 2812, section 1.2.1).
_NICK: Final = 9

#: Other nicks that are tried at once. Before each further one there is a pause: a second, then always twice as long as the last, until the
#: time for registration ends.
_QUICK_NICKS: Final = 3

#: Characters of a SASL response in one message.
_CHUNK: Final = 400

_SERVICES: Final = "NickServ"

#: Bold, colors by number or value, reset, reverse, italics, strikethrough, underline, monospace.
_FORMATS: Final = re.compile("\x03(?:\\d{1,2}(?:,\\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?|[\x02\x0f\x11\x16\x1d\x1e\x1f]")

_CODES: Final[Mapping[Style, str]] = {
    Style.PLAIN: "",
    Style.BOLD: "\x02",
    Style.DIM: "\x0314",
    Style.NAME: "\x0302",
    Style.GOOD: "\x0303",
    Style.WARNING: "\x0307",
    Style.BAD: "\x0304",
}

_RESET: Final = "\x0f"

#: Between a color and a comma, which would begin the color of the background.
_NOTHING: Final = "\x02\x02"

#: Octets for the codes before and behind a span.
_AROUND: Final = 6


def decoded(line: bytes) -> str:
    """
    Decode a line from a network. Clients send UTF-8 or Windows' Western code page; servers cut lines within a character.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            return line[: error.start].decode("utf-8")
        return line.decode("cp1252", "replace")


def withoutFormats(text: str) -> str:
    """
    Remove formats, and escape all other active characters.
    """
    return clean(_FORMATS.sub("", text))


def piecesOf(line: Line, room: int, colors: bool) -> Iterator[str]:
    """
    Split a line between words, and within a word only if the room is too small for it.

    @param room: octets for each piece.
    """
    around = _AROUND if colors else 0
    piece: list[Span] = []
    used = 0
    for span in line:
        for word in re.findall(r"\s*\S+|\s+$", span.text):
            cost = len(word.encode("utf-8")) + (around if not piece or piece[-1].style is not span.style else 0)
            if used + cost > room and piece:
                yield _written(piece, colors)
                piece, used, word = [], 0, word.lstrip()
            while len(word.encode("utf-8")) + around > room:
                head = word.encode("utf-8")[: room - around].decode("utf-8", "ignore")
                yield _written([Span(head, span.style)], colors)
                word = word[len(head) :]
            if not word:
                continue
            if piece and piece[-1].style is span.style:
                piece[-1] = Span(piece[-1].text + word, span.style)
                used += len(word.encode("utf-8"))
            else:
                piece.append(Span(word, span.style))
                used += len(word.encode("utf-8")) + around
    if any(span.text.strip() for span in piece):
        yield _written(piece, colors)


def _written(piece: list[Span], colors: bool) -> str:
    return "".join([_colored(span) if colors and span.style is not Style.PLAIN else span.text for span in piece])


def _colored(span: Span) -> str:
    between = _NOTHING if span.text.startswith(",") else ""
    return f"{_CODES[span.style]}{between}{span.text}{_RESET}"


class IRCConnection(IRCClient):
    """
    One connection. What comes from it is hostile: only the methods C{irc_...} of this class are called.

    @ivar members: nicks by folded nick, by folded channel.
    @ivar mask: the robot's own mask; C{""} until it has seen it.
    @ivar _negotiation: the end of the time for capabilities and SASL; C{None} if they are settled.
    """

    performLogin = False
    heartbeatInterval = REGISTRATION_SECONDS.default

    def __init__(self, front: IRCFront) -> None:
        self._front = front
        self._reactor = front.robot.reactor
        self.nickname = front.settings.nick
        self.members: dict[str, dict[str, str]] = {}
        self.mask = ""
        self._entered: dict[str, float] = {}
        self._offered: set[str] = set()
        self._enabled: set[str] = set()
        self._account = ""
        self._registered = False
        self._heard = False
        self._silent = False
        self._refusals = 0
        self._ctcpAt = 0.0
        self._reason = ""
        self._request = "CAP LS"
        self._late: IDelayedCall | None = None
        self._negotiation: IDelayedCall | None = None
        self._nickPause: IDelayedCall | None = None

    # -- the connection

    def connectionMade(self) -> None:
        super().connectionMade()
        self._front.opened(self)
        self._late = self._reactor.callLater(REGISTRATION_SECONDS.default, self._giveUp, "the server has not accepted the robot")
        self._negotiation = self._reactor.callLater(_NEGOTIATION_SECONDS, self._negotiatedTooLong)
        self.sendLine("CAP LS 302")
        if self._front.settings.password and self._maySend("the server's password"):
            self.sendLine(f"PASS :{self._front.settings.password}")
        self.setNick(self._front.settings.nick)
        self.sendLine(f"USER {self._front.settings.username} 0 * :{self._front.settings.realname}")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._cancelTimers()
        self._front.lost(self._reason or reason.getErrorMessage(), self._silent)

    def lineReceived(self, line: bytes) -> None:
        self._heard = True
        self._front.outbox.heard()
        text = decoded(line)
        self._account = ""
        if text.startswith("@"):
            tags, _, text = text[1:].partition(" ")
            if "account-tag" in self._enabled:
                self._account = clean(next((each[8:] for each in tags.split(";") if each.startswith("account=")), ""))
        try:
            prefix, command, params = _parsed(text)
            handle = vars(IRCConnection).get(f"irc_{numeric_to_symbolic.get(command, command)}")
            if handle is not None:
                handle(self, prefix, params)
        except (IndexError, ValueError):
            _log.debug("{network}: {line!r} is not a valid message", network=self._front.name, line=line)

    def _createHeartbeat(self) -> LoopingCall:
        beat = LoopingCall(self._sendHeartbeat)
        beat.clock = self._reactor
        return beat

    def _sendHeartbeat(self) -> None:
        if not self._heard:
            self._silent = True
            self._giveUp("the server is silent")
            return
        self._heard = False
        self.sendLine("PING :robot")
        self._reclaim()

    def _giveUp(self, reason: str) -> None:
        self._cancelTimers()
        self._reason = reason
        self.transport.abortConnection()

    def _cancelTimers(self) -> None:
        """
        Cancel the timers of registration.
        """
        for timer in (self._late, self._negotiation, self._nickPause):
            if timer is not None and timer.active():
                timer.cancel()
        self._late = self._negotiation = self._nickPause = None

    def _maySend(self, secret: str) -> bool:
        """
        Return whether others cannot read the connection.
        """
        host = str(getattr(self.transport.getPeer(), "host", "127.0.0.1"))
        if ISSLTransport.providedBy(self.transport) or ip_address(host.partition("%")[0]).is_loopback:
            return True
        _log.error("{network}: {secret} is not sent: the connection is not encrypted; use tls:", network=self._front.name, secret=secret)
        return False

    # -- registration

    @property
    def _mechanism(self) -> str:
        """
        Return the name of the SASL mechanism; C{""} for none.
        """
        settings = self._front.settings
        if settings.sasl == "external":
            return "EXTERNAL"
        return "PLAIN" if settings.sasl == "plain" and settings.account and settings.accountPassword else ""

    def irc_CAP(self, prefix: str, params: list[str]) -> None:
        verb, names = params[1].upper(), {each.partition("=")[0] for each in params[-1].split(" ")}
        if verb == "DEL":
            self._enabled -= names
        if verb == "ACK":
            self._enabled |= names & self._offered
        if self._negotiation is None:
            return
        if verb == "LS":
            self._offered |= names & _WANTED
            if params[2] == "*":
                return
            if not self._mechanism or not self._maySend("the account's password"):
                self._offered.discard("sasl")
            elif "sasl" not in self._offered:
                self._notLoggedIn("the server has no SASL")
            if self._offered:
                self._request = "CAP REQ"
                self.sendLine(f"CAP REQ :{' '.join(sorted(self._offered))}")
            else:
                self._endNegotiation()
        elif verb == "ACK" and "sasl" in self._enabled:
            self._request = "AUTHENTICATE"
            self.sendLine(f"AUTHENTICATE {self._mechanism}")
        elif verb in ("ACK", "NAK"):
            self._endNegotiation()

    def irc_AUTHENTICATE(self, prefix: str, params: list[str]) -> None:
        if params[0] != "+" or "sasl" not in self._enabled or self._negotiation is None:
            return
        account = self._front.settings.account
        answer = f"{account}\0{account}\0{self._front.settings.accountPassword}" if self._mechanism == "PLAIN" else account
        encoded = b64encode(answer.encode("utf-8")).decode("ascii")
        for start in range(0, len(encoded) + 1, _CHUNK):
            self.sendLine(f"AUTHENTICATE {encoded[start : start + _CHUNK] or '+'}")

    def irc_903(self, prefix: str, params: list[str]) -> None:
        self._endNegotiation()

    def irc_904(self, prefix: str, params: list[str]) -> None:
        # A server that aborts SASL because of CAP END sends 906, too.
        if self._negotiation is not None:
            self._notLoggedIn(clean(" ".join(params[-1:])))
            self._endNegotiation()

    irc_902 = irc_905 = irc_906 = irc_904

    def _endNegotiation(self) -> None:
        """
        Complete registration, without capabilities and an account if the server has not granted them yet.
        """
        if self._negotiation is not None:
            if self._negotiation.active():
                self._negotiation.cancel()
            self._negotiation = None
            self.sendLine("CAP END")

    def _negotiatedTooLong(self) -> None:
        reason = f"the server has not answered {self._request} within {_NEGOTIATION_SECONDS:g} seconds"
        if self._mechanism and (self._request == "CAP LS" or "sasl" in self._offered):
            self._notLoggedIn(reason)
        else:
            _log.warn("{network}: {reason}; the robot goes on without capabilities", network=self._front.name, reason=reason)
        self._endNegotiation()

    def _notLoggedIn(self, reason: str) -> None:
        _log.error("{network}: the robot is not logged in to its account: {reason}", network=self._front.name, reason=reason)

    def irc_ERR_NICKNAMEINUSE(self, prefix: str, params: list[str]) -> None:
        # During a pause, nothing was sent that the server could refuse.
        if self._registered or self._nickPause is not None:
            return
        self._refusals += 1
        further = self._refusals - _QUICK_NICKS
        if further <= 0:
            self._tryNick()
            return
        if further == 1:
            _log.warn(
                "{network}: the server has refused the nick {nick} and {count} others: {reason}; the robot tries more, with growing pauses",
                network=self._front.name,
                nick=self._front.settings.nick,
                count=_QUICK_NICKS,
                reason=clean(" ".join(params[-1:])),
            )
        self._nickPause = self._reactor.callLater(2.0 ** (further - 1), self._tryNick)

    irc_ERR_ERRONEUSNICKNAME = irc_ERR_NICKCOLLISION = irc_ERR_UNAVAILRESOURCE = irc_ERR_NICKNAMEINUSE

    def _tryNick(self) -> None:
        self._nickPause = None
        # The last digits differ from those of other robots with the same idea.
        ending = "_" * self._refusals if self._refusals < 3 else str(random.randrange(100, 1000))
        self.setNick(self._front.settings.nick[: _NICK - len(ending)] + ending)

    def irc_RPL_WELCOME(self, prefix: str, params: list[str]) -> None:
        if self._registered:
            return
        self._registered = True
        self.nickname = clean(params[0])
        self._cancelTimers()
        self.startHeartbeat()
        self._front.welcomed(self)
        settings = self._front.settings
        if not self._isMe(settings.nick) and settings.recover != "no":
            # Without the password: on a network without services, anyone can take their name. They know the account by SASL.
            self._front.outbox.command(f"PRIVMSG {_SERVICES} :{settings.recover.upper()} {settings.nick}")

    def irc_RPL_ISON(self, prefix: str, params: list[str]) -> None:
        wanted = self._front.settings.nick
        if not self._isMe(wanted) and folded(wanted) not in map(folded, params[-1].split(" ")):
            self._front.outbox.command(f"NICK {wanted}")

    def _reclaim(self, given: str = "") -> None:
        """
        Ask whether the robot's own nick is free, if it has another one; the reply takes it.

        @param given: a nick that someone has given up: others are of no interest.
        """
        wanted = self._front.settings.nick
        if self._registered and not self._isMe(wanted) and folded(given or wanted) == folded(wanted):
            self._front.outbox.command(f"ISON {wanted}")

    # -- what happens

    def irc_PING(self, prefix: str, params: list[str]) -> None:
        send = self._front.outbox.command if self._registered else self.sendLine
        send(f"PONG :{params[-1]}")

    def irc_ERROR(self, prefix: str, params: list[str]) -> None:
        self._reason = clean(params[-1])

    def irc_PRIVMSG(self, prefix: str, params: list[str], notice: bool = False) -> None:
        target, text = params[0], params[1]
        person = self._person(prefix)
        if not self._registered or not person.host or self._isMe(person.nick):
            return
        action = False
        if text.startswith("\x01"):
            tag, _, text = text.strip("\x01").partition(" ")
            action = tag == "ACTION"
            if not action:
                if not notice:
                    self._answerCTCP(person, tag, text)
                return
        if self._isMe(target):
            place = Place(self._front.name, person.nick, private=True)
        else:
            place = self._place(target)
        self._emit(Message(person, place, withoutFormats(text), action, notice))

    def irc_NOTICE(self, prefix: str, params: list[str]) -> None:
        self.irc_PRIVMSG(prefix, params, True)
        if folded(prefix.partition("!")[0]) == folded(_SERVICES):
            # It may just have freed the nick.
            self._reclaim()

    def _answerCTCP(self, person: Person, tag: str, text: str) -> None:
        now = self._reactor.seconds()
        answer = {"VERSION": "VERSION twisted_ext", "PING": f"PING {withoutFormats(text)[:64]}"}.get(tag)
        if answer is not None and now - self._ctcpAt >= _CTCP_SECONDS:
            self._ctcpAt = now
            self._front.outbox.command(f"NOTICE {person.nick} :\x01{answer}\x01")

    def irc_JOIN(self, prefix: str, params: list[str]) -> None:
        key, person = folded(params[0]), self._person(prefix)
        if self._isMe(person.nick):
            if key not in self._front.settings.keys:
                # The network has put the robot there.
                self._front.outbox.command(f"PART {params[0]}")
                return
            self.mask = prefix
            self.members[key] = {}
            self._entered[key] = self._reactor.seconds()
            self._front.outbox.pump()
            return
        self._add(key, person.nick)
        if "extended-join" in self._enabled and len(params) > 2 and params[1] != "*":
            person = Person(person.front, person.nick, person.user, person.host, clean(params[1]))
        self._emit(Joined(person, self._place(params[0])))

    def irc_RPL_NAMREPLY(self, prefix: str, params: list[str]) -> None:
        for each in params[-1].split(" "):
            nick = re.sub(r"^[^\w\[\]\\`^{|}]+", "", each).partition("!")[0]
            if nick:
                self._add(folded(params[-2]), clean(nick))

    def _add(self, key: str, nick: str) -> None:
        members = self.members.get(key)
        if members is not None and len(members) < CHANNEL_MEMBERS.default:
            members[folded(nick)] = nick

    def irc_PART(self, prefix: str, params: list[str]) -> None:
        person, reason = self._person(prefix), withoutFormats(" ".join(params[1:]))
        if self._isMe(person.nick):
            self._leave(params[0])
        else:
            self.members.get(folded(params[0]), {}).pop(folded(person.nick), None)
            self._emit(Left(person, self._place(params[0]), reason))

    def irc_KICK(self, prefix: str, params: list[str]) -> None:
        channel, nick = params[0], clean(params[1])
        self.members.get(folded(channel), {}).pop(folded(nick), None)
        event = Kicked(self._person(prefix), self._place(channel), nick, withoutFormats(" ".join(params[2:])))
        self._emit(event)
        if self._isMe(nick):
            _log.warn("{place}: kicked by {who}: {reason}", place=str(event.place), who=event.person.nick, reason=event.reason)
            self._leave(channel)

    def _leave(self, channel: str) -> None:
        key = folded(channel)
        self.members.pop(key, None)
        self._front.joinLater(key, self._reactor.seconds() - self._entered.pop(key, self._reactor.seconds()))

    def irc_QUIT(self, prefix: str, params: list[str]) -> None:
        person = self._person(prefix)
        if not self._isMe(person.nick):
            places = self._placesOf(person.nick)
            for place in places:
                del self.members[folded(place.target)][folded(person.nick)]
            self._emit(Quit(person, places, withoutFormats(" ".join(params))))
            self._reclaim(person.nick)

    def irc_NICK(self, prefix: str, params: list[str]) -> None:
        person, nick = self._person(prefix), clean(params[0])
        places = self._placesOf(person.nick)
        for place in places:
            members = self.members[folded(place.target)]
            del members[folded(person.nick)]
            members[folded(nick)] = nick
        if self._isMe(person.nick):
            self.nickname = nick
        else:
            self._emit(Renamed(person, nick, places))
            self._reclaim(person.nick)

    def irc_TOPIC(self, prefix: str, params: list[str]) -> None:
        self._emit(Topic(self._person(prefix), self._place(params[0]), withoutFormats(params[1])))

    def irc_MODE(self, prefix: str, params: list[str]) -> None:
        if re.search(r"\+[^-]*b", params[1]):
            for mask in params[2:]:
                if "!" in mask and Mask(f"*/{mask}").matches(self._person(self.mask)):
                    _log.warn("{place} bans the robot: {mask}", place=str(self._place(params[0])), mask=clean(mask))

    def irc_ERR_BANNEDFROMCHAN(self, prefix: str, params: list[str]) -> None:
        _log.warn("{network}: cannot join {channel}: {why}", network=self._front.name, channel=clean(params[1]), why=clean(params[-1]))
        self._front.joinLater(folded(params[1]))

    irc_ERR_CHANNELISFULL = irc_ERR_INVITEONLYCHAN = irc_ERR_BADCHANNELKEY = irc_ERR_BANNEDFROMCHAN
    irc_ERR_NOSUCHCHANNEL = irc_ERR_TOOMANYCHANNELS = irc_ERR_NOCHANMODES = irc_ERR_BANNEDFROMCHAN

    # -- details

    def _isMe(self, nick: str) -> bool:
        return folded(nick) == folded(self.nickname)

    def _person(self, prefix: str) -> Person:
        nick, _, rest = clean(prefix).partition("!")
        user, _, host = rest.partition("@")
        return Person(self._front.name, nick, user, host, self._account)

    def _place(self, channel: str) -> Place:
        """
        @raise ValueError: the robot is not in this channel.
        """
        if folded(channel) not in self.members:
            raise ValueError
        return Place(self._front.name, channel)

    def _placesOf(self, nick: str) -> tuple[Place, ...]:
        key = folded(nick)
        return tuple([self._place(channel) for channel, members in self.members.items() if key in members])

    def _emit(self, event: Event) -> None:
        if self._registered:
            self._front.robot.receive(event)


def _parsed(text: str) -> tuple[str, str, list[str]]:
    """
    Return the prefix, command and parameters of a message.

    @raise IndexError: there is no command.
    """
    prefix = ""
    if text.startswith(":"):
        prefix, _, text = text[1:].partition(" ")
    head, colon, last = text.partition(" :")
    words = [word for word in head.split(" ") if word]
    return prefix, words[0].upper(), [*words[1:], last] if colon else words[1:]
