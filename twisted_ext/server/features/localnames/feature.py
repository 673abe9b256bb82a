"""
Local names: local records, hosts files, and domains that are only known here.
"""

from __future__ import annotations

from twisted_ext.limits import LOCAL_TTL
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, number, setting
from twisted_ext.server.features.base.feature import ROUTES, Active, Feature, Site

__all__ = ["LocalNamesFeature", "LocalNamesSettings"]


class LocalNamesSettings(Section):
    hostsFile: tuple[str, ...] = setting(
        types.READABLE,
        ("/etc/hosts",),
        'Answer from this hosts file, by default /etc/hosts; "" for none',
        group="Local records",
        serving=(),
        inView=True,
    )
    local: tuple[str, ...] = setting(
        types.RECORD,
        (),
        'Answer with this record: "router.lan A 192.168.1.1", or "*.dev.lan A 192.168.1.1" for all names below dev.lan',
        inView=True,
        atRunTime=True,
    )
    localFile: tuple[str, ...] = setting(types.READABLE, (), "Answer with the records of this file, one on each line", inView=True)
    localTtl: int = number(
        LOCAL_TTL,
        "TTL of local records without their own, of names in hosts files, and of denials of local-domain",
        unit="seconds",
        inView=True,
    )
    localReverse: bool = setting(
        types.FLAG,
        True,
        "Answer with the names of addresses that local records have; names in hosts files come before them",
        inView=True,
    )
    expandHosts: str = setting(
        types.OPTIONAL_NAME, "", "Domain that names of one label in hosts files have as well: with lan, nas is also nas.lan", inView=True
    )
    forwardOtherTypes: bool = setting(
        types.FLAG,
        False,
        "Ask upstreams for the types that a name in local records or hosts files does not have here, such as its AAAA records; by default, "
        "it has no data of other types",
        inView=True,
    )
    localDomain: tuple[str, ...] = setting(
        types.NAME,
        (),
        "Names of this domain are only known here: those without a record, in a zone or hosts file do not exist, and no upstream is asked "
        "about them, but for domains below it that have a route",
        inView=True,
        atRunTime=True,
    )


class LocalNamesFeature(Feature):
    """
    Answers for the names of the server's own network.
    """

    name = "localnames"
    settings = LocalNamesSettings
    reads = ROUTES
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[LocalNamesSettings]
        if not (any(wanted.hostsFile) or wanted.local or wanted.localFile or wanted.localDomain):
            return None
        from twisted_ext.server.features.localnames.names import LocalNames

        return LocalNames(site, wanted)
