"""
The plugins of CoreDNS that become no setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted_ext.apps.cli.convert.outcome import Outcome, missing, needless, rows

__all__ = ["OUTCOMES"]

_CLOUD: Final = missing("records are not read from it", "keep CoreDNS for these zones, and set a route to it")

#: By name.
OUTCOMES: Final[Mapping[str, Outcome]] = dict(
    [
        ("errors", needless("errors are logged")),
        ("debug", needless("a fault ends one look-up, never the server")),
        ("loop", needless("loop-detection finds upstreams that forward back")),
        ("reload", needless("zones, hosts files, block lists and certificates are read again on change; settings by systemctl reload")),
        ("cancel", needless("look-ups have a deadline")),
        ("bufsize", missing("messages over UDP have at most 1232 octets", "clients fetch larger ones over TCP")),
        ("multisocket", needless("one socket serves all queries", "set workers to use more CPUs")),
        ("metadata", needless("it serves other plugins")),
        ("any", needless("minimal-any is true by default")),
        ("local", needless("names of this machine are never forwarded")),
        (
            "loadbalance",
            missing("records are sent in the order in which they are kept", "clients choose among several addresses by RFC 6724"),
        ),
        ("minimal", needless("positive replies have no records that clients do not need")),
        ("shed", needless("limits on clients and connections are always in force")),
        (
            "health",
            missing("there is no page for health checks", "ask a question, or fetch /metrics (set http); systemd has a watchdog as well"),
        ),
        ("ready", missing("there is no page that says that the server is ready", "systemd is told (Type=notify); others ask a question")),
        ("pprof", missing("profiles are not served", "txdns control and the manhole show a running server")),
        ("trace", missing("queries are not traced to another system", "txdns explain and query-log show what became of them")),
        ("dnstap", missing("dnstap is not written", "query-log with log-format = json has queries and replies")),
        ("root", needless("paths are converted to absolute ones")),
        ("proxyproto", missing("the PROXY protocol is accepted from trusted-proxies", "set trusted-proxies")),
        ("geoip", missing("clients are not told apart by location")),
        ("view", missing("views differ in blocked names only", "serve these clients by a second instance at another address")),
        ("dns64", missing("AAAA records are not made from A records (DNS64)", "keep a DNS64 server, and name it as upstream")),
        ("rewrite", missing("names and answers are not rewritten", "a local CNAME record, or a zone, can often do it")),
        ("autopath", missing("the search list of clients is not followed here", "shorten ndots or the search list of the clients")),
        ("header", missing("flags of replies cannot be changed")),
        ("template", missing("answers are not made by templates", "write local records; *.NAME is a wildcard")),
        *rows(
            missing(
                "the zone is signed with keys that CoreDNS has",
                "copy them to signing/ZONE. in the folder that state names, and set sign in the table of the zone",
            ),
            "dnssec sign",
        ),
        *rows(_CLOUD, "route53 azure clouddns etcd nomad"),
        *rows(
            missing("names of a cluster are not known here", "keep CoreDNS in the cluster, and set a route for the cluster's domain to it"),
            "kubernetes k8s_external",
        ),
        *rows(missing("DNS over gRPC is not supported", "use tls, https or quic"), "grpc grpc_server"),
        ("erratic", missing("errors for tests are not made", "see the testing tools, in the documentation")),
        ("whoami", missing("clients are not told their own address")),
        ("on", missing("no commands are run at the start or the end", "use ExecStartPost= of systemd")),
        *rows(needless("it is a transport; its address decides"), "https https3 quic"),
    ]
)
