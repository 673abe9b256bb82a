"""
Access: which clients are answered, by their addresses and by how they come in.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.clientwords import CLIENTS
from twisted_ext.server.config.setting import Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Site, Stage
from twisted_ext.server.reply.acl import NEARBY

__all__ = ["AccessFeature", "AccessSettings"]


class AccessSettings(Section):
    isFirst = True

    allow: tuple[str, ...] = setting(
        CLIENTS,
        NEARBY,
        "Answer clients at these addresses and refuse all others; by default this machine and private networks, with serve all clients. "
        "Also by how they come in: key=NAME of a TSIG key, tls, port=PORT, interface=ADDRESS, server-name=NAME, https-path=/PATH, or "
        "several of these, as 192.0.2.0/24 key=NAME",
        group="Access control and replies",
        serving=("any",),
    )
    refuse: tuple[str, ...] = setting(CLIENTS, (), "Refuse these clients, although they are in an allowed network; written as for allow")
    drop: tuple[str, ...] = setting(types.PREFIX, (), "Send these clients no reply at all")

    @property
    def rules(self) -> dict[str, tuple[str, ...]]:
        """
        The clients by what is done with them, as L{Access<twisted_ext.server.reply.acl.Access>} takes them.
        """
        return {"allow": self.allow, "refuse": self.refuse, "drop": self.drop}


class _Access(Active):
    def __init__(self, site: Site, settings: AccessSettings) -> None:
        # Imported where queries are answered only.
        from twisted_ext.server.reply.acl import Access
        from twisted_ext.server.reply.gates import AccessGate

        # Without other access, clients may query the zones, if there are any.
        access = Access(settings.rules, "refuse" if site.zones is None else "zones")
        self.admits, self.doors = access.admit, access.doors
        self.parts = (Part(Stage.ENTRY, gate=AccessGate(None if site.zones is None else site.zones.find, access.doors.keys)),)


class AccessFeature(Feature):
    """
    Decides whether a client is answered.
    """

    name = "access"
    settings = AccessSettings

    def make(self, site: Site, former: Active | None) -> Active | None:
        return _Access(site, site.settings[AccessSettings])
