"""
A server whose zone is changed by updates, for L{tests.live.zones.test_updates}: C{python -m tests.live.zones.updated PORT FOLDER ZONE FILE
RULE...}.

It is minimal, so that only updates are tested.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorCore, IReactorTime

__all__ = ["main"]


def main(words: list[str]) -> None:
    """
    Serve until it is stopped.
    """
    from twisted.internet import reactor as installed

    from twisted_ext.server.config.keys import Keys
    from twisted_ext.server.config.zonesettings import ZoneSettings
    from twisted_ext.server.listeners.datagram import DatagramListener
    from twisted_ext.server.listeners.stream import StreamListener
    from twisted_ext.server.reply.acl import Access
    from twisted_ext.server.reply.gates import standardGates
    from twisted_ext.server.reply.packetcaches import packetCacheFor
    from twisted_ext.server.reply.respond import Responder
    from twisted_ext.server.zones.table.source import AuthoritySource
    from twisted_ext.server.zones.table.zonetable import Zones
    from twisted_ext.server.zones.update.journalreplay import finished
    from twisted_ext.server.zones.update.updates import UpdateHandler
    from twisted_ext.zone.store.image import Image
    from twisted_ext.zone.store.version import Version
    from twisted_ext.zone.zone import Zone
    from twisted_ext.zone.zonefile.reader import readMaster

    port, folder, name, file, *rules = words
    reactor = cast("IReactorTime", installed)
    keys = Keys.fromFile(f"{folder}/keys") if Path(f"{folder}/keys").exists() else Keys()
    zones = Zones()
    updating = UpdateHandler(reactor, zones, f"{folder}/journals")
    settings = ZoneSettings.fromTable({"name": name, "file": file, "update": list(rules)})
    updating.ready()
    updating.arrange(settings.name, settings, keys)
    image = f"{folder}/{settings.name.hex()}.image"
    if not os.path.exists(image):
        # The file is not read again while an image exists.
        reading = readMaster(file, settings.apexName, path=file)
        assert reading.sound, reading.complaints
        reading.builder.finishTo(image, b"sources")
    zones.put(Zone(finished(updating.opening(Version(Image.open(image))))))
    responder = Responder(
        AuthoritySource(zones),
        reactor,
        gates=standardGates(keys=keys, handlers=updating.handlers),
        packetCache=packetCacheFor(Access({"allow": ["any"]})),
        handlers=updating.handlers,
    )
    DatagramListener(reactor, responder, "127.0.0.1", int(port)).start()
    StreamListener(reactor, responder, "127.0.0.1", int(port)).start()
    core = cast("IReactorCore", installed)
    core.addSystemEventTrigger("before", "shutdown", updating.close)
    core.run()


if __name__ == "__main__":
    main(sys.argv[1:])
