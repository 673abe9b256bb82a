"""
What the door of signed zones knows of those that change between two times that they are signed as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred

    from twisted_ext.server.zones.update.commit import Changed, Edited
    from twisted_ext.zone.sign.completer import Changes
    from twisted_ext.zone.store.version import Version

__all__ = ["ChangedZones"]


class ChangedZones(Protocol):
    """
    What clients have changed in zones.
    """

    def isChanged(self, apex: bytes) -> bool:
        """
        Return whether a zone has changes that are not in its image, or may have: that is known once it is open.
        """

    def current(self, apex: bytes) -> Changed | None:
        """
        Return the version in force of a zone that may change at any time; L{None} if it may not, or is not served.
        """

    def hold(self, apex: bytes) -> Deferred[Changed | None]:
        """
        Let the changes of a zone wait until L{release}, as the next version that is published has those until now.

        @return: fires with the version in force once no change is under way; with L{None} if the zone is not open.
        """

    def standing(self, apex: bytes) -> Changed | None:
        """
        Return the version in force of a zone of which L{succeed} may be called; L{None} if its history is not kept.
        """

    def succeed(self, apex: bytes, change: bytes, origin: bytes) -> None:
        """
        Keep the history of a zone, of which the next version that is published is to have another image, in its journal. If that cannot be
        done, the journal is emptied then.

        @param change: the difference of that version from the one in force, as in a journal.
        @param origin: the origin of the image.
        """

    def newest(self, apex: bytes) -> int | None:
        """
        Return the serial number to which the last change has led; L{None} if that is not known. The zone may not be open yet.
        """

    def release(self, apex: bytes) -> None:
        """
        Make the changes that wait.
        """

    def follow(self, apex: bytes, changes: Changes) -> Deferred[Edited]:
        """
        Make some names of a zone what they are in another version.

        @param changes: all records of each of these names.

        @return: fails if that cannot be done; then nothing has changed.
        """

    def mayFollow(self, apex: bytes, reached: int) -> bool:
        """
        Return whether L{follow} can be called: clients do not change the zone here, its journal may be open, which takes a file, and what
        it has is what is known of it. Names that do not differ stay as they are.

        @param reached: the serial to which what was noted has led.
        """

    def renewable(self, apex: bytes) -> Version | None:
        """
        Return the version in force of a zone of which some signatures may be made anew; L{None} if that cannot be done.
        """

    def renew(self, apex: bytes, keys: Sequence[bytes]) -> Deferred[Edited]:
        """
        Make the signatures of some names anew.

        @return: fails if that cannot be done.
        """
