"""
The rules of a settings file, read as a server reads them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from twisted_ext.apps.cli.terminal.exits import BATCH, USAGE, ExitError, complain
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.server.config.addedvalues import ADDED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.blocking.copies import copiesOf
from twisted_ext.server.features.blocking.lists import fetchedLists, linesOfLists, listsOfAll
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.built import Features
from twisted_ext.server.settings.addedfile import addedIn
from twisted_ext.server.settings.additions import withAdded
from twisted_ext.server.settings.tomlfile import readSettings

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["OfflineRules", "offlineRules", "settingsIn"]


class OfflineRules:
    """
    Decides as a server with these settings would.
    """

    def __init__(self, features: Features) -> None:
        self._features = features

    def why(self, client: str, name: str, at: str, rrType: str) -> dict[str, JSON]:
        """
        Return what L{BlockedNames.why} does for a client.

        @raise CallerFault: an argument is not valid.
        """
        active = self._features.placeOf(client).active.get("blocking")
        if not isinstance(active, BlockedNames):
            said: list[JSON] = ["nothing is blocked for this client"]
            return {"client": client, "view": None, "blocked": False, "rewritten": False, "rule": None, "said": said}
        return active.whyFor(name, client, at, rrType)


@contextmanager
def offlineRules(path: str) -> Iterator[OfflineRules]:
    """
    Read the settings file and the lists. Lists that cannot be read are reported.

    @raise ExitError: the settings cannot be used.
    """
    if not path:
        raise ExitError(USAGE, "the settings file is missing; write --config /etc/txdns/txdns.toml")
    try:
        settings = settingsIn(path)
        with TemporaryDirectory(prefix="txdns-policy-") as folder:
            table = f"{folder}/table"
            copies, fetched = copiesOf(settings, complain), {each.word for each in fetchedLists(settings)}
            words = [word for word in listsOfAll(settings) if word in copies or word not in fetched]
            for each in compileLists(table, "", words, copies, linesOfLists(settings)):
                if each.kept:
                    complain(f"list {each.title}: {each.said}")
            features = Features(Site(cast(IReactorTime, Clock()), settings))
            try:
                features.begin()
                features.take("blocking", {"table": table, "paused": []})
                yield OfflineRules(features)
            finally:
                features.close()
    except (BadDescription, CallerFault) as fault:
        raise ExitError(USAGE, str(fault)) from None
    except OSError as error:
        raise ExitError(BATCH, f"{error.filename or path}: {error.strerror or error}") from error


def settingsIn(path: str) -> Settings:
    """
    Return the settings of a file with what was added and removed while their server ran, as it would use them.

    @raise BadDescription: they are not valid.
    """
    own = Settings(readSettings(path))
    folder = own.stateFolder()
    if not folder:
        return own

    def skip(said: str) -> None:
        complain(f"{os.path.join(folder, ADDED)}: not applied: {said}")

    return withAdded(own, addedIn(folder, skip), lambda value, reason: skip(f"{value}: {reason}"))
