"""
The settings of block lists, which what switches them on and what reads them have in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, setting

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Tabled

__all__ = ["BlockingSettings"]


def _listTable() -> type[Tabled]:
    from twisted_ext.server.features.blocking.listsettings import ListSettings

    return ListSettings


def _scheduleTable() -> type[Tabled]:
    from twisted_ext.server.features.blocking.schedulesettings import ScheduleSettings

    return ScheduleSettings


def _engine(text: str) -> str:
    from twisted_ext.resolver.policy.rules.safesearch import ENGINES

    if text not in ENGINES:
        raise BadDescription(f"{text!r} is not one of {', '.join(ENGINES)}")
    return text


def _timeZone(text: str) -> str:
    from twisted_ext.resolver.policy.rules.schedule import localTime

    localTime(text)
    return text


_SCHEDULE: Final = types.Table("the name of a schedule and its times, such as homework=mon-fri 14:00-17:30, or a table", _scheduleTable)
_ZONE: Final = types.Text("the name of a time zone, such as Europe/Berlin", _timeZone)
_ENGINE: Final = types.Text("a search engine, such as google", _engine)
_LIST: Final = types.Table("the name of a list and its file or URL, such as ads=/etc/txdns/ads.txt, or a table", _listTable)


class BlockingSettings(Section):
    block: tuple[str, ...] = setting(
        types.BLOCKED, (), "Block this domain and all names below it", group="Blocking", inView=True, atRunTime=True
    )
    blockList: tuple[str, ...] = setting(
        types.LIST,
        (),
        "Block the names in this file, which may have lines of hosts files, domains, *.domain, and ||domain^ of ad blockers. Only lines of "
        "hosts files leave the names below alone. The file is read again when it has changed; a missing one is logged",
        inView=True,
    )
    list: tuple[str, ...] = setting(
        _LIST,
        (),
        "Give the list in this file, or at this URL, a name, by which lists selects it: ads=/etc/txdns/ads.txt, or "
        "ads=https://lists.example/ads.txt, which is fetched once a day. In the settings file it is a table headed [[list]], with name, "
        "file, url or names, every for another time than a day, allow = true for a list of exceptions, and rewrite = true for one that may "
        "give clients other answers",
        atRunTime=True,
    )
    lists: tuple[str, ...] = setting(
        types.TEXT,
        (),
        "Apply the list with this name: block the names in it, or leave them alone if it is one of exceptions. A list may apply at times: "
        "games during homework, where homework is a schedule",
        inView=True,
        atRunTime=True,
    )
    schedule: tuple[str, ...] = setting(
        _SCHEDULE,
        (),
        "Give these times a name: homework=mon-fri 14:00-17:30, or night=21:00-06:30. In the settings file it is a table headed "
        "[[schedule]], with name, days and times",
        atRunTime=True,
    )
    timeZone: str = setting(
        _ZONE, "", "The time zone of schedules, such as Europe/Berlin; by default that of this machine", atRunTime=True
    )
    blockExcept: tuple[str, ...] = setting(
        types.BLOCK_EXCEPTION,
        (),
        "Do not block this domain and all names below it, whichever list has them; file:PATH for a file of domains, as for block-list",
        inView=True,
        atRunTime=True,
    )
    safeSearch: tuple[str, ...] = setting(
        _ENGINE,
        (),
        "Have this search engine leave out what is for adults: its names lead to the host that it offers for that, unless block-except has "
        "them. One of google, bing, duckduckgo, youtube, youtube-moderate, yandex, brave, ecosia and pixabay",
        inView=True,
        atRunTime=True,
    )
    blockReply: str = setting(
        types.BLOCK_REPLY,
        "nxdomain",
        "Answer for blocked names: nxdomain; null for the addresses 0.0.0.0 and ::; or an address, or one of each family with a comma. "
        "The local records and hosts file of this server are never blocked",
        inView=True,
        atRunTime=True,
    )
