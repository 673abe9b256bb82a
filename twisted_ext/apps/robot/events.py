"""
What happens on a front. Plugins receive these by C{@hears(Message)} and the like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from twisted_ext.apps.robot.people import Person, Place

__all__ = ["Connected", "Disconnected", "Event", "Joined", "Kicked", "Left", "Message", "Quit", "Renamed", "Spoken", "Topic"]


@dataclass(frozen=True, slots=True)
class Message:
    """
    @ivar action: whether it was sent with C{/me}.
    @ivar notice: whether it is a notice, to which no program may reply (RFC 2812, section 3.3.2).
    """

    person: Person
    place: Place
    text: str
    action: bool = False
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """
    The robot itself has said something in a place.
    """

    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    person: Person
    place: Place


@dataclass(frozen=True, slots=True)
class Left:
    person: Person
    place: Place
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Kicked:
    """
    @ivar person: who kicked.
    @ivar nick: who was kicked.
    """

    person: Person
    place: Place
    nick: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Quit:
    """
    @ivar places: the channels that the robot shared with the person.
    """

    person: Person
    places: tuple[Place, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Renamed:
    """
    @ivar person: with the old nick.
    """

    person: Person
    nick: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    person: Person
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class Connected:
    front: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    front: str
    reason: str


Event: TypeAlias = Message | Spoken | Joined | Left | Kicked | Quit | Renamed | Topic | Connected | Disconnected
