"""
Limits on what persons, networks and plugins can make the robot do.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "AUTHORITIES", "AUTHORITY_SECONDS", "CALLS_AT_ONCE", "CALLS_OF_PERSON", "CALL_SECONDS", "CHANNEL_MEMBERS", "CONSOLE_OCTETS",
    "DATABASE_WAITING", "EXPANSIONS", "FACTOIDS", "FACTOIDS_LISTED", "FETCH_OCTETS", "FETCH_SECONDS", "FINI_SECONDS",
    "FOLLOWED_HERE", "FOLLOWED_PACKAGES", "HOOK_LINES", "HOOK_OCTETS", "IGNORED", "JOBS", "JOB_SECONDS", "LINE_BURST",
    "LINE_CHARACTERS", "LINE_SECONDS", "LOG_DAYS", "LOG_LINES", "LOG_SEARCHES", "LOG_SEARCH_SECONDS", "LOG_UNLOGGED", "LOG_WAITING",
    "MORE_KEPT", "PAGES_KEPT", "PAGE_DAYS", "PAGE_OCTETS", "PLACES_KEPT", "PLACE_CALLS", "QUOTES", "QUOTES_OF_CHANNEL",
    "QUOTES_SHOWN", "REGISTRATION_SECONDS", "REMINDERS", "REMINDERS_AT_ONCE", "REMINDERS_OF_PERSON", "SAID_LINES", "SEEN_KEPT",
    "STEP_SECONDS", "STORED_VALUES", "TELL_DAYS", "TELL_EACH", "TELL_KEPT", "WATCHES", "WATCHES_OF_PERSON", "WATCHES_OF_PLACE",
    "WATCH_FAILURES", "WATCH_OCTETS",
]  # fmt: skip

# -- the information robot

#: Seconds for one command, one event that a plugin handles, and the start of a plugin. People in a channel wait no longer.
CALL_SECONDS: Final = Limit(default=20.0, least=1.0, most=600.0)

#: Commands that run at a time.
CALLS_AT_ONCE: Final = Limit(default=32, least=1, most=1000)

#: Commands of one person that run at a time.
CALLS_OF_PERSON: Final = Limit(default=3, least=1, most=100)

#: Commands taken in one place within a minute: what a channel floods with beyond it is dropped, and the robot stays under the limits of the
#: network.
PLACE_CALLS: Final = Limit(default=20, least=1, most=1000)

#: Places whose commands are counted.
PLACES_KEPT: Final = Limit(default=1000, least=1, most=100_000)

#: Seconds of the reactor for one step of a plugin, after which it is interrupted: a loop without end would stop the whole robot. One that
#: waits without computing, as on a busy machine, gets five times as long.
STEP_SECONDS: Final = Limit(default=2.0, least=0.1, most=60.0)

#: Seconds for a plugin to stop, for which the end of the process waits.
FINI_SECONDS: Final = Limit(default=5.0, least=0.1, most=60.0)

#: Lines of one reply: those that C{more} shows included.
SAID_LINES: Final = Limit(default=200, least=1, most=10_000)

#: Characters of one line. A longer one would become a dozen lines on IRC, where one has about 400 octets.
LINE_CHARACTERS: Final = Limit(default=1000, least=100, most=100_000)

#: Long replies that are kept, one for each person and place.
MORE_KEPT: Final = Limit(default=200, least=1, most=10_000)

#: Days for which a published document is kept: its link is in a conversation.
PAGE_DAYS: Final = Limit(default=7, least=1, most=3650)

#: Published documents that are kept; the oldest ones go first.
PAGES_KEPT: Final = Limit(default=1000, least=1, most=100_000)

#: Octets of a published document.
PAGE_OCTETS: Final = Limit(default=1 << 20, least=1 << 10, most=1 << 24)

#: Octets of a request to the webhook: a long chat message.
HOOK_OCTETS: Final = Limit(default=16_384, least=1024, most=1 << 20)

#: Lines of a reply of the webhook.
HOOK_LINES: Final = Limit(default=40, least=1, most=1000)

#: Lines that wait for the database while it cannot be written to. More are dropped.
LOG_WAITING: Final = Limit(default=20_000, least=100, most=1_000_000)

#: Days for which lines are kept; 0 for ever.
LOG_DAYS: Final = Limit(default=0, least=0, most=36_500)

#: Lines on one page: browsers stay quick, and making it takes few milliseconds.
LOG_LINES: Final = Limit(default=1000, least=10, most=10_000)

#: Searches that wait for their turn.
LOG_SEARCHES: Final = Limit(default=16, least=1, most=1000)

#: Seconds for a search; there are two threads for all readers.
LOG_SEARCH_SECONDS: Final = Limit(default=1.0, least=0.1, most=60.0)

#: Nicks that are not logged.
LOG_UNLOGGED: Final = Limit(default=1000, least=1, most=100_000)

#: Octets of a line typed into the console.
CONSOLE_OCTETS: Final = Limit(default=10_000, least=100, most=1_000_000)

#: Octets that an HTTP server may send, headers included, on one connection.
FETCH_OCTETS: Final = Limit(default=1_000_000, least=1000, most=100_000_000)

#: Seconds for one document, redirects included.
FETCH_SECONDS: Final = Limit(default=10.0, least=0.1, most=600.0)

#: Packages whose releases are announced, in all places.
FOLLOWED_PACKAGES: Final = Limit(default=200, least=1, most=10_000)

#: Packages whose releases are announced in one place.
FOLLOWED_HERE: Final = Limit(default=20, least=1, most=1000)
#: Calls that wait for the database's threads: a disk that hangs takes no more memory than theirs.
DATABASE_WAITING: Final = Limit(default=10_000, least=10, most=1_000_000)

#: Values that are stored. A plugin that needs one for each person or name has to store them as one, or to have a table of its own.
STORED_VALUES: Final = Limit(default=10_000, least=10, most=1_000_000)

#: Seconds between two runs of a scheduled job: with less, the robot would do little else.
JOB_SECONDS: Final = Limit(default=60.0, least=1.0, most=366 * 86400.0)

#: Scheduled jobs of one plugin.
JOBS: Final = Limit(default=1000, least=1, most=100_000)

#: Nicks of which C{seen} remembers when they last spoke. The ones that have been silent for longest are forgotten.
SEEN_KEPT: Final = Limit(default=20_000, least=10, most=1_000_000)

#: Messages that wait for one person, and those of one sender.
TELL_EACH: Final = Limit(default=20, least=1, most=1000)

#: Messages that wait for all persons.
TELL_KEPT: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Days after which a message that could not be given is dropped.
TELL_DAYS: Final = Limit(default=60, least=1, most=3650)

#: Reminders of all persons.
REMINDERS: Final = Limit(default=10_000, least=1, most=1_000_000)

#: Reminders of one person.
REMINDERS_OF_PERSON: Final = Limit(default=20, least=1, most=1000)

#: Reminders that are said in one place at a time. After a long outage, the others follow every ten seconds.
REMINDERS_AT_ONCE: Final = Limit(default=5, least=1, most=100)

#: How often a text that is not a command is replaced by what it stands for: an alias of an alias of an alias.
EXPANSIONS: Final = Limit(default=5, least=1, most=20)

#: Factoids of one network, their other names included. Their names are in memory.
FACTOIDS: Final = Limit(default=5000, least=1, most=1_000_000)

#: Names of factoids that a list shows: a line is not longer.
FACTOIDS_LISTED: Final = Limit(default=20, least=1, most=1000)

#: Quotes of all channels.
QUOTES: Final = Limit(default=50_000, least=1, most=1_000_000)

#: Quotes of one channel. A search reads all of them.
QUOTES_OF_CHANNEL: Final = Limit(default=2000, least=1, most=1_000_000)

#: Quotes that a search shows.
QUOTES_SHOWN: Final = Limit(default=20, least=1, most=200)

#: Masks of ignored persons. Each command is compared with all of them.
IGNORED: Final = Limit(default=500, least=1, most=10_000)

#: Short lines that are sent to a network at once. Most servers close the connection of a client that is ten seconds ahead (RFC 1459,
#: section 8.10).
LINE_BURST: Final = Limit(default=5, least=1, most=1000)

#: Seconds that a line counts for. The same section takes two of them for a line.
LINE_SECONDS: Final = Limit(default=2.0, least=0.0, most=60.0)

#: Seconds until a server has accepted the robot, after which the connection is closed. The same time without a line from it ends a
#: connection, too.
REGISTRATION_SECONDS: Final = Limit(default=60.0, least=1.0, most=3600.0)

#: Persons remembered in one channel.
CHANNEL_MEMBERS: Final = Limit(default=20_000, least=1, most=1_000_000)

#: Addresses of a zone's servers that one command queries: the root has 26. The owner of a zone chooses them, and the robot sends packets to
#: each.
AUTHORITIES: Final = Limit(default=26, least=1, most=100)

#: Seconds in which an authoritative server has to reply. People wait for the slowest one.
AUTHORITY_SECONDS: Final = Limit(default=4.0, least=0.5, most=30.0)

#: Watched names and zones. Each is looked up every minute or every five.
WATCHES: Final = Limit(default=200, least=1, most=10_000)

#: Watched names and zones of one person.
WATCHES_OF_PERSON: Final = Limit(default=20, least=1, most=10_000)

#: Watched names and zones that are announced in one place: a channel reads no more.
WATCHES_OF_PLACE: Final = Limit(default=40, least=1, most=10_000)

#: Octets of what is stored of one watched name or zone, so that all of them fit into one value.
WATCH_OCTETS: Final = Limit(default=5000, least=1000, most=100_000)

#: Look-ups of a watched name or zone that fail one after the other before that is announced: resolvers and networks are away for minutes.
WATCH_FAILURES: Final = Limit(default=3, least=1, most=100)
