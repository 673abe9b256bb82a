"""
What settings would make of a server, without one: whether they can be used, and the path of a query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.features.cookies.feature import secretsOf
from twisted_ext.server.frontend import gatesOf
from twisted_ext.server.listeners.sockets import listenAddresses
from twisted_ext.server.sources.sources import ForwardStack, ZoneStack, stackFor
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.server.zones.load.validate import variantsIn
from twisted_ext.server.zones.table.viewzones import ViewZones
from twisted_ext.server.zones.table.zonetable import Zones

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.reply.gates import Gate

__all__ = ["checkSettings", "pathOf", "placesOf"]


def placesOf(settings: Settings) -> ListenAddresses:
    """
    Return where the server will listen. Interfaces may be missing now, as long as they exist when it binds its sockets.
    """
    return ListenAddresses(listenAddresses(settings.interface, strict=False), settings.port)


@contextmanager
def _made(
    reactor: IReactorTime, settings: Settings, zones: Zones, variants: Mapping[str, ViewZones], listening: ListenAddresses
) -> Iterator[tuple[tuple[Gate, ...], ForwardStack | ZoneStack]]:
    features = Features(Site(reactor, settings, zones=zones, variants=variants))
    try:
        gates = gatesOf(features)
        stack = stackFor(reactor, settings, zones, features, listening=listening)
        try:
            yield gates, stack
        finally:
            stack.close()
    finally:
        features.close()


def checkSettings(reactor: IReactorTime, settings: Settings, listening: ListenAddresses) -> None:
    """
    Check whether a process that answers queries could use these settings.

    @param listening: where the server listens, which upstreams must not be.

    @raise BadDescription: it could not.
    """
    with _made(reactor, settings, Zones(), {}, listening):
        pass


def pathOf(reactor: IReactorTime, settings: Settings) -> list[str]:
    """
    Describe the steps that a query passes through under these settings, one line each.

    @raise BadDescription: they cannot be used: all is checked that a start checks and that leaves nothing behind.
    """
    secretsOf(settings)
    configured = variantsIn(settings)
    if not settings.selfSigned and (settings.tls or settings.https or settings.quic or settings.http3):
        from twisted_ext.server.listeners.tls.encryption import encryptionFor

        encryptionFor(settings, reactor.seconds)
    tables = {view: Zones(view=view) for view in configured}
    for view, zones in configured.items():
        for zone in zones:
            tables[view].expect(zone.name, zone.file)
    common = tables.pop("")
    variants = {view: ViewZones(own, common) for view, own in tables.items()}
    with _made(reactor, settings, common, variants, placesOf(settings)) as (gates, stack):
        return ["packet cache: replies to earlier queries with the same octets", *[f"gate: {gate.name}" for gate in gates], *stack.path()]
