"""
The options of Unbound that become no setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted_ext.apps.cli.convert.outcome import Outcome, always, missing, needless, never, rows

__all__ = ["OUTCOMES"]

#: By name.
OUTCOMES: Final[Mapping[str, Outcome]] = dict(
    [
        *rows(
            needless("memory is divided and sized by the server itself"),
            "msg-cache-slabs rrset-cache-slabs infra-cache-slabs key-cache-slabs ip-ratelimit-slabs ratelimit-slabs key-cache-size "
            "neg-cache-size infra-cache-numhosts infra-cache-lame-size ip-ratelimit-size ratelimit-size msg-buffer-size stream-wait-size "
            "num-queries-per-thread http-query-buffer-size http-response-buffer-size quic-size shm-enable shm-key",
        ),
        *rows(
            needless("sockets are sized and shared by the server itself"),
            "so-rcvbuf so-sndbuf so-reuseport outgoing-range outgoing-num-tcp tcp-mss outgoing-tcp-mss http-nodelay udp-connect "
            "outgoing-port-permit outgoing-port-avoid delay-close sock-queue-timeout discard-timeout jostle-timeout max-reuse-tcp-queries "
            "tcp-reuse-timeout tcp-auth-query-timeout interface-automatic-ports",
        ),
        ("num-threads", needless("one process serves far more queries than a network of this size has", "set workers to use more CPUs")),
        *rows(
            needless("the service manager or twistd does it", "see the systemd unit in contrib, and --pidfile, --uid, --chroot of twistd"),
            "username chroot pidfile do-daemonize use-systemd",
        ),
        *rows(
            needless("the log goes to the journal or to the terminal", "--logfile or --syslog of twistd changes that"),
            "logfile use-syslog log-identity log-time-ascii log-time-iso log-thread-id log-tag-queryreply log-destaddr verbosity "
            "val-log-level",
        ),
        *rows(needless("failures are logged once for each upstream, and counted in /metrics"), "log-servfail log-local-actions"),
        *rows(
            needless("counts are in txdns control status and in /metrics"),
            "statistics-interval statistics-cumulative statistics-inhibit-zero extended-statistics",
        ),
        *rows(
            always("this server does so"),
            "harden-glue harden-dnssec-stripped harden-below-nxdomain  "
            "harden-unknown-additional harden-unverified-glue harden-short-bufsize aggressive-nsec prefetch-key val-clean-additional "
            "minimal-responses edns-tcp-keepalive tls-use-sni deny-any ede zonemd-check iter-scrub-promiscuous",
        ),
        *rows(
            missing("messages over UDP have at most 1232 octets", "clients fetch larger ones over TCP"),
            "edns-buffer-size max-udp-size",
        ),
        *rows(never("answers of all upstreams are cached", "set cache = false for all"), "forward-no-cache stub-no-cache"),
        ("stub-prime", needless("servers of a stub are those that are given")),
        ("for-upstream", always("names in a zone are found in it")),
        ("fallback-enabled", never("a zone that has expired is not looked up elsewhere")),
        ("tcp-upstream", never("servers are asked over UDP first", "use tls: for upstreams")),
        ("harden-large-queries", never("large queries are answered")),
        ("harden-referral-path", never("the names of servers are not looked up for validation alone")),
        ("harden-algo-downgrade", never("one algorithm of a zone is enough (RFC 6840, section 5.11)")),
        *rows(
            missing("its value is fixed", "see Limits, in the documentation"),
            "target-fetch-policy infra-host-ttl infra-lame-ttl infra-cache-min-rtt "
            "infra-cache-max-rtt infra-keep-probing low-rtt low-rtt-pct low-rtt-permil fast-server-num fast-server-permil "
            "outbound-msg-retry max-sent-count max-query-restarts max-global-quota iter-scrub-ns iter-scrub-cname iter-scrub-rrsig "
            "val-sig-skew-min val-sig-skew-max val-bogus-ttl val-nsec3-keysize-iterations val-max-restart add-holddown del-holddown "
            "keep-missing permit-small-holddown unknown-server-time-limit edns-tcp-keepalive-timeout serve-expired-reply-ttl "
            "serve-expired-ttl-reset unwanted-reply-threshold cache-min-negative-ttl max-transfer-size max-transfer-time "
            "max-ecs-tree-size-ipv4 max-ecs-tree-size-ipv6",
        ),
        *rows(
            missing(
                "queries are not limited by this rate",
                "set client-rate for clients; look-ups of one domain under way are limited in number",
            ),
            "ratelimit ratelimit-for-domain ratelimit-below-domain ratelimit-factor ratelimit-backoff ip-ratelimit-cookie "
            "ip-ratelimit-factor ip-ratelimit-backoff wait-limit wait-limit-cookie wait-limit-netblock wait-limit-cookie-netblock",
        ),
        *rows(needless("queries and replies over encrypted transports are padded"), "pad-responses-block-size pad-queries-block-size"),
        *rows(always("queries and replies over encrypted transports are padded"), "pad-responses pad-queries"),
        *rows(missing("versions and algorithms are those of the TLS library", "its own configuration file can change them"),
              "tls-ciphers tls-ciphersuites tls-protocols"),
        ("tls-session-ticket-keys", never("tickets of TLS are not shared between servers")),
        *rows(needless("it concerns Windows"), "tls-win-cert tls-system-cert"),
        *rows(needless("no name and version are sent"), "hide-http-user-agent http-user-agent"),
        *rows(needless("this server answers such queries as long as root-key-sentinel is true"), "hide-trustanchor"),
        *rows(needless("a client that sets CD gets the data unvalidated"), "ignore-cd-flag disable-edns-do"),
        *rows(needless("DLV has been shut down"), "dlv-anchor dlv-anchor-file"),
        *rows(needless("it is for tests"), "fake-dsa fake-sha1 val-override-date"),
        *rows(needless("reverse names of private addresses are forwarded once they have a route or an upstream is private"),
              "unblock-lan-zones"),
        *rows(needless("names that a route or a stub leads to are not validated here, unless there is a trust anchor"),
              "insecure-lan-zones"),
        *rows(
            never("sockets cannot be bound to addresses that this machine does not have", "use FreeBind= of a systemd socket"),
            "ip-transparent ip-freebind",
        ),
        ("ip-dscp", never("packets are not marked", "let the firewall mark them")),
        *rows(never("the server that replies fastest is asked, over IPv4 or IPv6", "set query-ipv6 = false"), "prefer-ip4 prefer-ip6"),
        *rows(missing("a source address for queries cannot be chosen", "let a routing rule choose it"), "outgoing-interface"),
        ("do-not-query-address", missing("single servers cannot be left out")),
        ("udp-upstream-without-downstream", never("UDP is always served")),
        ("caps-exempt", needless("servers that change the case of names are recognized")),
        ("caps-whitelist", needless("servers that change the case of names are recognized")),
        ("disable-dnssec-lame-check", never("servers without signatures are left out")),
        ("serve-original-ttl", never("TTLs in answers count down")),
        ("qname-minimisation-strict", needless("see qname-minimisation")),
        ("secret-seed", needless("secrets are drawn from the system's random numbers")),
        *rows(
            missing("views differ in blocked names only", "run a second instance at another address for these clients"),
            "access-control-tag access-control-tag-action access-control-tag-data access-control-view define-tag interface-tag "
            "interface-tag-action interface-tag-data interface-view local-zone-tag local-zone-override view view-first tags",
        ),
        ("interface-action", missing("access is decided by the client's address, not by the interface", "use allow and refuse")),
        *rows(missing("answers are not rewritten by the addresses in them"), "response-ip response-ip-data response-ip-tag"),
        *rows(
            missing("AAAA records are not made from A records (DNS64)", "keep a DNS64 server, and name it as upstream"),
            "dns64-prefix dns64-synthall dns64-ignore-aaaa",
        ),
        *rows(never("queries to IPv4 addresses are not translated (NAT64)"), "do-nat64"),
        *rows(missing("queries to IPv4 addresses are not translated (NAT64)"), "nat64-prefix"),
        *rows(
            missing("networks of clients are not sent to servers (ECS), which would tell them about clients"),
            "send-client-subnet client-subnet-zone client-subnet-always-forward max-client-subnet-ipv4 max-client-subnet-ipv6 "
            "min-client-subnet-ipv4 min-client-subnet-ipv6 client-subnet-opcode",
        ),
        *rows(missing("options of EDNS cannot be added to queries"), "edns-client-string edns-client-string-opcode"),
        *rows(missing("there is no module for IPsec"),
              "ipsecmod-hook ipsecmod-max-ttl ipsecmod-whitelist ipsecmod-allow"),
        *rows(never("there is no module for IPsec"), "ipsecmod-enabled ipsecmod-ignore-bogus ipsecmod-strict"),
        *rows(missing("modules of Unbound cannot be loaded", "write a plugin (Write a plugin, in the documentation)"),
              "python dynlib python-script dynlib-file"),
        *rows(
            missing("the cache is in memory only", "txdns control dump and load keep it across restarts"),
            "cachedb backend redis-server-host redis-server-port redis-server-path redis-server-password redis-timeout "
            "redis-command-timeout redis-connect-timeout redis-expire-records redis-logical-db redis-replica-server-host "
            "redis-replica-server-port redis-replica-server-path redis-replica-server-password redis-replica-timeout "
            "redis-replica-command-timeout redis-replica-connect-timeout redis-replica-logical-db cachedb-no-store "
            "cachedb-check-when-serve-expired",
        ),
        *rows(missing("addresses of answers are not put into sets of the firewall"), "ipset name-v4 name-v6"),
        *rows(
            missing("DNSCrypt is not served", "serve DNS over HTTPS or TLS: https, tls"),
            "dnscrypt dnscrypt-port dnscrypt-provider dnscrypt-secret-key dnscrypt-provider-cert "
            "dnscrypt-provider-cert-rotated dnscrypt-shared-secret-cache-size dnscrypt-shared-secret-cache-slabs "
            "dnscrypt-nonce-cache-size dnscrypt-nonce-cache-slabs",
        ),
        ("dnscrypt-enable", never("DNSCrypt is not served", "serve DNS over HTTPS or TLS: https, tls")),
        *rows(never("dnstap is not written", "query-log with log-format = json has queries and replies"), "dnstap-enable"),
        *rows(
            needless("dnstap is not written"),
            "dnstap dnstap-bidirectional dnstap-socket-path dnstap-ip dnstap-tls dnstap-tls-server-name dnstap-tls-cert-bundle "
            "dnstap-tls-client-key-file dnstap-tls-client-cert-file dnstap-send-identity dnstap-send-version dnstap-identity "
            "dnstap-version dnstap-sample-rate dnstap-log-resolver-query-messages dnstap-log-resolver-response-messages "
            "dnstap-log-client-query-messages dnstap-log-client-response-messages dnstap-log-forwarder-query-messages "
            "dnstap-log-forwarder-response-messages",
        ),
        *rows(
            needless("txdns control reaches the server through a Unix socket, and its file's permissions say who may use it"),
            "control-interface control-port control-use-cert server-key-file server-cert-file control-key-file control-cert-file",
        ),
        ("http-notls-downstream", never("it is a listener of its own here", "set https-clear and trusted-proxies")),
        ("http-max-streams", needless("it is tcp-requests here, with a sufficient default")),
        ("ede-serve-expired", always("stale answers say so (RFC 8914)")),
        ("proxy-protocol-port", missing("every port accepts the PROXY protocol from trusted proxies", "set trusted-proxies")),
        ("cookie-secret-file", missing("the setting has another name, for a file of the same form", "set cookie-secret to it")),
        ("zonemd-reject-absence", never("ZONEMD is checked if there is a record", 'set zonemd = "require" for the zone')),
        ("zonemd-permissive-mode", never("a zone with a wrong ZONEMD record is not used")),
    ]
)
