"""
Options of dnsmasq(8) that become no settings, with the reasons.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COMMAND_LINE", "DHCP", "DHCP_ADVICE", "DHCP_REASON", "MISSING", "NEEDLESS", "NOTES"]

DHCP_REASON: Final = "this server has no DHCP, TFTP and router advertisements"

DHCP_ADVICE: Final = "keep dnsmasq for them, with port=0, or at another port with a route to its domain"

#: Options of these services; all that begin with C{dhcp-}, C{tftp-} or C{pxe-} are others.
DHCP: Final = frozenset(
    (
        "bootp-dynamic", "bridge-interface", "enable-ra", "enable-tftp", "leasefile-ro", "log-dhcp", "no-dhcp-interface",
        "no-dhcpv4-interface", "no-dhcpv6-interface", "no-ping", "quiet-dhcp", "quiet-dhcp6", "quiet-ra", "quiet-tftp", "ra-param",
        "read-ethers", "script-arp", "script-on-renewal", "shared-network", "tag-if",
    )
)  # fmt: skip

#: Options of the command line that are not a configuration.
COMMAND_LINE: Final = frozenset(("help", "test", "version"))

#: Options that this server has no use for, with the reason.
NEEDLESS: Final = {
    "bind-interfaces": "with interface, this server binds these addresses only",
    "cache-rr": "records of all types are cached",
    "clear-on-reload": "the cache is emptied when other upstreams are found in resolv.conf",
    "dns-loop-detect": "loops are found by default, see loop-detection",
    "dnssec-check-unsigned": "unsigned answers are always checked where answers are validated",
    "fast-dns-retry": "queries are retried by the server itself",
    "log-async": "the log never blocks the server",
    "no-ident": "the version is not shown, unless version-bind is set",
    "no-poll": "resolv.conf is followed at no cost",
    "no-round-robin": "records keep their order",
    "port-limit": "every query has a port of its own",
    "strip-mac": "options of clients are not forwarded",
    "strip-subnet": "options of clients are not forwarded",
}

#: Options that set up the process, with what does the same.
NOTES: Final = {
    "group": "the group is an argument of twistd, or set in the systemd unit: twistd --gid=GROUP txdns ...",
    "keep-in-foreground": "this is an argument of twistd: twistd -n txdns ...",
    "log-facility": "the log is an argument of twistd: twistd --syslog txdns ... or twistd --logfile=FILE txdns ...",
    "no-daemon": "this is an argument of twistd: twistd -n txdns ...",
    "pid-file": "this is an argument of twistd: twistd --pidfile=FILE txdns ...",
    "user": "the user is an argument of twistd, or set in the systemd unit: twistd --uid=USER txdns ...",
}

_AUTH: Final = ("an authoritative zone is a zone file here", 'write one, and set zone = ["DOMAIN=FILE"]')
_FIREWALL: Final = ("this server changes no sets of the firewall", "keep dnsmasq for these domains, with a route to it")
_TELLS: Final = ("queries never tell upstreams about their clients", "")
_PORTS: Final = ("ports are drawn by the server from all that the kernel has", "")

#: Options without a counterpart, with the reason and what to do instead.
MISSING: Final = {
    "dns-forward-max": ("the number of pending queries has a fixed limit", "see Limits, in the documentation"),
    "add-cpe-id": _TELLS,
    "add-mac": _TELLS,
    "add-subnet": _TELLS,
    "alias": ("addresses in answers of upstreams are not changed", "set local for the names in question"),
    "auth-peer": _AUTH,
    "auth-sec-servers": _AUTH,
    "auth-server": _AUTH,
    "auth-soa": _AUTH,
    "auth-ttl": _AUTH,
    "auth-zone": _AUTH,
    "bogus-nxdomain": ("answers of upstreams are not judged by their addresses", "use an upstream that does not do that"),
    "conf-script": ("no program is run for settings", "run it, and convert what it prints"),
    "connmark-allowlist": _FIREWALL,
    "connmark-allowlist-enable": _FIREWALL,
    "conntrack": _FIREWALL,
    "dnssec-debug": ("there is no mode that only reports bogus answers", "use txdns validate NAME"),
    "dnssec-limits": ("the limits of validation have no settings", ""),
    "dnssec-no-timecheck": ("signatures are checked from the first answer on", "set the clock first"),
    "dnssec-timestamp": ("signatures are checked from the first answer on", "set the clock first"),
    "dumpfile": ("packets are not written to files", "use tcpdump, or query-log"),
    "dumpmask": ("packets are not written to files", "use tcpdump, or query-log"),
    "dynamic-host": ("addresses of interfaces do not become records", 'set local = ["NAME A ADDRESS"]'),
    "enable-dbus": ("there is no D-Bus interface", "use txdns control, or change the settings and reload"),
    "enable-ubus": ("there is no UBus interface", "use txdns control and http"),
    "except-interface": ("interfaces are listed, not excepted", "set interface to those that should listen"),
    "filterwin2k": ("queries of type SOA and SRV are forwarded", ""),
    "ignore-address": ("a reply with the right ID, port and question is taken; there are other means against spoofing", ""),
    "interface-name": ("addresses of interfaces do not become records", 'set local = ["NAME A ADDRESS"]'),
    "ipset": _FIREWALL,
    "localise-queries": ("all addresses of a name are returned to all clients", ""),
    "localmx": ("MX records are not made for hosts", 'set local = ["NAME MX 1 HOST"]'),
    "max-port": _PORTS,
    "min-port": _PORTS,
    "nftset": _FIREWALL,
    "query-port": _PORTS,
    "rebind-localhost-ok": ("stop-rebinding blocks loopback addresses as well", "set rebinding-allow to the domains that have them"),
    "selfmx": ("MX records are not made for hosts", 'set local = ["NAME MX 1 NAME"]'),
    "synth-domain": ("names are not made of addresses", "write the names into a hosts file or a zone with $GENERATE"),
    "umbrella": _TELLS,
}
