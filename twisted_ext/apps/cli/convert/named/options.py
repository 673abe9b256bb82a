"""
The statements of C{named.conf} that become no setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from twisted_ext.apps.cli.convert.outcome import Outcome, always, missing, needless, never, rows

__all__ = ["OUTCOMES"]

_SIGNED: Final = missing("sign and [[signing-policy]] say how zones are signed", "set these, and copy the keys of named")

#: By name. Those of options, views and zones mean the same in each.
OUTCOMES: Final[Mapping[str, Outcome]] = dict(
    [
        *rows(
            needless("counts and states are in txdns control and /metrics"),
            "dump-file statistics-file memstatistics memstatistics-file recursing-file secroots-file",
        ),
        (
            "zone-statistics",
            never("queries are counted for the whole server, not for each zone", "query-log with log-format = json has the names"),
        ),
        *rows(
            needless("state is kept in the folder that state names", "set state, or StateDirectory= of the systemd unit"),
            "managed-keys-directory pid-file session-keyfile session-keyname session-keyalg bindkeys-file lock-file journal "
            "max-ixfr-ratio lmdb-mapsize flush-zones-on-shutdown geoip-directory initial-file new-zones-directory",
        ),
        *rows(
            missing("messages over UDP have at most 1232 octets", "clients fetch larger ones over TCP"),
            "edns-udp-size max-udp-size nocookie-udp-size",
        ),
        *rows(
            missing("the times of a zone's SOA record apply, within fixed bounds", "change the SOA record at the primary"),
            "max-refresh-time min-refresh-time max-retry-time min-retry-time",
        ),
        *rows(
            missing("NOTIFY is sent as soon as a zone has changed, and again until the version was fetched, at a fixed rate"),
            "notify-rate startup-notify-rate notify-delay notify-defer",
        ),
        ("serial-query-rate", missing("the number of queries for serial numbers at a time is fixed")),
        ("notify-to-soa", never("the server of the SOA record is not notified", "set notify for the zone")),
        *rows(
            missing("the number of records of a zone is not limited", "check zones of others with txdns zone check before they are served"),
            "max-records max-records-per-type max-types-per-name max-zone-ttl",
        ),
        *rows(
            missing("queries to the servers of a zone are not limited by a rate", "look-ups of one domain under way are limited in number"),
            "fetches-per-server fetches-per-zone fetch-quota-params",
        ),
        *rows(
            missing("its value is fixed", "see Limits, in the documentation"),
            "clients-per-query max-clients-per-query recursive-clients reserved-sockets resolver-query-timeout resolver-retry-interval "
            "resolver-nonbackoff-tries max-recursion-depth max-recursion-queries max-query-count max-query-restarts "
            "max-rsa-exponent-size servfail-ttl lame-ttl nta-lifetime nta-recheck max-transfer-idle-in max-transfer-idle-out "
            "max-transfer-time-in max-transfer-time-out min-transfer-rate-in transfers-per-ns transfer-message-size update-quota v6-bias "
            "max-validation-failures-per-fetch max-validations-per-fetch max-delegation-servers max-delegation-ttl min-delegation-ttl "
            "min-ncache-ttl tcp-primaries-timeout tcp-reuse-timeout tcp-initial-timeout tcp-keepalive-timeout tcp-advertised-timeout "
            "http-listener-clients http-streams-per-connection sig0checks-quota sig0checks-quota-exempt sig0key-checks-limit "
            "sig0message-checks-limit stale-answer-ttl stale-refresh-time request-ixfr-max-diffs listener-clients "
            "streams-per-connection",
        ),
        ("responselog", never("replies are logged with their queries only", "set query-log, with log-format = json")),
        *rows(needless("only versions of named that have ended have it"), "cleaning-interval heartbeat-interval deallocate-on-exit"),
        ("hostname-interval", needless("the host's name is read when the server starts")),
        *rows(
            needless("sockets are sized and watched by the server itself"),
            "tcp-listen-queue tcp-receive-buffer tcp-send-buffer udp-receive-buffer udp-send-buffer reuseport interface-interval "
            "automatic-interface-scan use-v4-udp-ports use-v6-udp-ports avoid-v4-udp-ports avoid-v6-udp-ports files datasize coresize "
            "stacksize",
        ),
        *rows(
            always("this server does so"),
            "answer-cookie send-cookie request-expire request-ixfr provide-ixfr synth-from-dnssec message-compression check-integrity "
            "check-sibling check-wildcard check-svcb try-tcp-refresh zero-no-soa-ttl zero-no-soa-ttl-cache dnssec-enable "
            "match-mapped-addresses multi-master ixfr-from-differences",
        ),
        ("minimal-responses", always("positive replies have no records that clients do not need")),
        ("provide-zoneversion", never("the version of a zone is not told (ZONEVERSION)", "look up its SOA record")),
        *rows(
            needless("zones are checked as they are loaded, and findings are logged; see txdns zone check"),
            "check-dup-records check-mx check-mx-cname check-spf check-srv-cname",
        ),
        ("check-names", missing("names of hosts are not checked for octets that they must not have", "check them where they are edited")),
        *rows(
            missing("records are sent in the order in which they are kept", "let clients sort addresses: resolv.conf has sortlist"),
            "rrset-order sortlist preferred-glue",
        ),
        ("no-case-compress", needless("names in replies keep their case")),
        *rows(needless("such servers no longer exist"), "auth-nxdomain dnssec-lookaside dnssec-accept-expired-lookaside dialup"),
        *rows(needless("nothing depends on it"), "request-nsid request-zoneversion keep-response-order dlv "
              "dnssec-must-be-secure max-acache-size rfc2308-type1 treat-cr-as-space fake-iquery has-old-clients use-id-pool "
              "maintain-ixfr-base acache-enable acache-cleaning-interval additional-from-auth "
              "glue-cache random-device dscp additional-from-cache suppress-initial-notify "
              "cookie-algorithm fstrm-set-buffer-hint fstrm-set-flush-timeout fstrm-set-input-queue-size "
              "fstrm-set-output-notify-threshold fstrm-set-output-queue-model fstrm-set-output-queue-size fstrm-set-reopen-interval "
              "dnstap-identity dnstap-version masterfile-style max-ixfr-log-size delegation-only nosit-udp-size request-sit "
              "multiple-cnames named-xfer host-statistics host-statistics-max statistics-interval topology min-roots "
              "nsec3-test-zone tkey-dhkey tkey-domain tkey-gssapi-credential filter-aaaa-on-v4 geoip-use-ecs"),
        *rows(
            missing("an address for outgoing queries cannot be chosen", "let a routing rule choose it"),
            "query-source query-source-v6 transfer-source transfer-source-v6 alt-transfer-source alt-transfer-source-v6 notify-source "
            "notify-source-v6 parental-source parental-source-v6 use-alt-transfer-source notify-cfg",
        ),
        *rows(
            _SIGNED,
            "key-directory key-store auto-dnssec inline-signing dnssec-update-mode dnssec-dnskey-kskonly dnssec-loadkeys-interval "
            "dnssec-secure-to-insecure dnskey-sig-validity sig-signing-nodes sig-signing-signatures sig-signing-type sig-validity-interval "
            "update-check-ksk checkds parental-agents cdnskey cds-digest-types",
        ),
        *rows(missing("the algorithms of DNSSEC are those that this server knows"), "disable-algorithms disable-ds-digests"),
        ("dnssec-accept-expired", never("expired signatures are not accepted")),
        *rows(
            missing("AAAA records are not made from A records (DNS64)", "keep a DNS64 server, and name it as upstream"),
            "dns64 dns64-contact dns64-server",
        ),
        ("resolver-use-dns64", never("queries to IPv4 addresses are not translated (NAT64)")),
        *rows(needless("ipv4only.arpa is looked up as other names"), "ipv4only-enable ipv4only-contact ipv4only-server"),
        *rows(needless("it belongs to response-policy"), "dnsrps-enable dnsrps-library dnsrps-options"),
        *rows(missing("answers are not filtered by other addresses or names than private ones", "see stop-rebinding"),
              "deny-answer-addresses deny-answer-aliases"),
        *rows(missing("names that do not exist are not redirected"), "nxdomain-redirect"),
        *rows(
            missing("zones are in files, in databases of this server, or transferred", "see store and txdns zone edit"),
            "database dlz dyndb",
        ),
        ("plugin", missing("plugins of named cannot be loaded", "write a plugin (Write a plugin, in the documentation)")),
        *rows(
            missing("answers do not depend on the address that was asked", "run a second instance at that address"),
            "allow-query-on allow-query-cache-on allow-recursion-on match-destinations match-recursive-only attach-cache",
        ),
        *rows(needless("trusted-proxies says who may use the PROXY protocol"), "allow-proxy allow-proxy-on proxy"),
        *rows(missing("updates are not passed on to the primary", "send them to the primary"), "allow-update-forwarding"),
        ("allow-new-zones", never("zones are added in the settings, or as files of a folder", "see zones, and systemctl reload")),
        *rows(needless("empty zones of private addresses say so in their own words"), "empty-contact empty-server"),
        ("empty-zones-enable", always("reverse names of private addresses are not sent to the internet")),
        ("disable-empty-zone", needless("a route or a zone for it has precedence")),
        *rows(missing("dnstap is not written", "query-log with log-format = json has queries and replies"), "dnstap dnstap-output"),
        ("tkey-gssapi-keytab", missing("GSS-TSIG is not supported", "use TSIG keys")),
        ("dual-stack-servers", missing("servers are asked over IPv4 and IPv6 as they are reachable")),
        ("response-padding", needless("replies over encrypted transports are padded")),
        ("use-queryport-pool", needless("each query has a port of its own")),
        *rows(needless("txdns control reaches the server through a Unix socket, whose permissions say who may use it"), "controls"),
        *rows(needless("it is for servers of other operators"), "lwres"),
        *rows(missing("access does not depend on it"), "sig0-checks-quota"),
        ("template", missing("templates of zones are not read", "write their statements into each zone")),
        ("send-report-channel", missing("agents for error reports are named by report-agent", "set report-agent")),
        ("log-report-channel", never("reports are in the query log")),
        ("manual-mode", needless("keys are replaced by hand only")),
        ("querylog-format", needless("log-format says it")),
        ("root-delegation-only", missing("top-level domains are answered as they are")),
        ("trust-anchor-telemetry", needless("trust-anchor-signaling says it")),
        ("require-cookie", needless("servers that have sent cookies before have to send them")),
    ]
)
