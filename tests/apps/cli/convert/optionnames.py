"""
The names of all options of other programs, as their documentation lists them.
"""

from __future__ import annotations

from typing import Final

__all__ = ["COREDNS", "NAMED", "UNBOUND"]

#: Options and sections of Unbound 1.17 to 1.24.
UNBOUND: Final = tuple(
    """
    access-control access-control-tag access-control-tag-action access-control-tag-data access-control-view add-holddown
    additional-ssl-port additional-tls-port aggressive-nsec allow-notify answer-cookie auth-zone auto-trust-anchor-file backend
    cache-max-negative-ttl cache-max-ttl cache-min-negative-ttl cache-min-ttl cachedb cachedb-check-when-serve-expired
    cachedb-no-store caps-exempt caps-whitelist chroot client-subnet-always-forward client-subnet-opcode client-subnet-zone
    control-cert-file control-enable control-interface control-key-file control-port control-use-cert cookie-secret cookie-secret-file
    define-tag del-holddown delay-close deny-any directory disable-dnssec-lame-check disable-edns-do discard-timeout dlv-anchor
    dlv-anchor-file dns-error-reporting dns64-ignore-aaaa dns64-prefix dns64-synthall dnscrypt dnscrypt-enable
    dnscrypt-nonce-cache-size dnscrypt-nonce-cache-slabs dnscrypt-port dnscrypt-provider dnscrypt-provider-cert
    dnscrypt-provider-cert-rotated dnscrypt-secret-key dnscrypt-shared-secret-cache-size dnscrypt-shared-secret-cache-slabs dnstap
    dnstap-bidirectional dnstap-enable dnstap-identity dnstap-ip dnstap-log-client-query-messages dnstap-log-client-response-messages
    dnstap-log-forwarder-query-messages dnstap-log-forwarder-response-messages dnstap-log-resolver-query-messages
    dnstap-log-resolver-response-messages dnstap-sample-rate dnstap-send-identity dnstap-send-version dnstap-socket-path dnstap-tls
    dnstap-tls-cert-bundle dnstap-tls-client-cert-file dnstap-tls-client-key-file dnstap-tls-server-name dnstap-version do-daemonize
    do-ip4 do-ip6 do-nat64 do-not-query-address do-not-query-localhost do-tcp do-udp domain-insecure dynlib dynlib-file ede
    ede-serve-expired edns-buffer-size edns-client-string edns-client-string-opcode edns-tcp-keepalive edns-tcp-keepalive-timeout
    extended-statistics fake-dsa fake-sha1 fallback-enabled fast-server-num fast-server-permil for-downstream for-upstream
    forward-addr forward-first forward-host forward-no-cache forward-ssl-upstream forward-tcp-upstream forward-tls-upstream
    forward-zone harden-algo-downgrade harden-below-nxdomain harden-dnssec-stripped harden-glue harden-large-queries
    harden-referral-path harden-short-bufsize harden-unknown-additional harden-unverified-glue hide-http-user-agent hide-identity
    hide-trustanchor hide-version http-endpoint http-max-streams http-nodelay http-notls-downstream http-query-buffer-size
    http-response-buffer-size http-user-agent https-port identity ignore-cd-flag incoming-num-tcp infra-cache-lame-size
    infra-cache-max-rtt infra-cache-min-rtt infra-cache-numhosts infra-cache-slabs infra-host-ttl infra-keep-probing infra-lame-ttl
    insecure-lan-zones interface interface-action interface-automatic interface-automatic-ports interface-tag interface-tag-action
    interface-tag-data interface-view ip-address ip-dscp ip-freebind ip-ratelimit ip-ratelimit-backoff ip-ratelimit-cookie
    ip-ratelimit-factor ip-ratelimit-size ip-ratelimit-slabs ip-transparent ipsecmod-allow ipsecmod-enabled ipsecmod-hook
    ipsecmod-ignore-bogus ipsecmod-max-ttl ipsecmod-strict ipsecmod-whitelist ipset iter-scrub-cname iter-scrub-ns
    iter-scrub-promiscuous iter-scrub-rrsig jostle-timeout keep-missing key-cache-size key-cache-slabs local-data local-data-ptr
    local-zone local-zone-override local-zone-tag log-destaddr log-identity log-local-actions log-queries log-replies log-servfail
    log-tag-queryreply log-thread-id log-time-ascii log-time-iso logfile low-rtt low-rtt-pct low-rtt-permil master
    max-client-subnet-ipv4 max-client-subnet-ipv6 max-ecs-tree-size-ipv4 max-ecs-tree-size-ipv6 max-global-quota max-query-restarts
    max-reuse-tcp-queries max-sent-count max-transfer-size max-transfer-time max-udp-size min-client-subnet-ipv4
    min-client-subnet-ipv6 minimal-responses module-config msg-buffer-size msg-cache-size msg-cache-slabs name name-v4 name-v6
    nat64-prefix neg-cache-size nsid num-queries-per-thread num-threads outbound-msg-retry outgoing-interface outgoing-num-tcp
    outgoing-port-avoid outgoing-port-permit outgoing-range outgoing-tcp-mss pad-queries pad-queries-block-size pad-responses
    pad-responses-block-size permit-small-holddown pidfile port prefer-ip4 prefer-ip6 prefetch prefetch-key primary private-address
    private-domain proxy-protocol-port python python-script qname-minimisation qname-minimisation-strict quic-port quic-size ratelimit
    ratelimit-backoff ratelimit-below-domain ratelimit-factor ratelimit-for-domain ratelimit-size ratelimit-slabs
    redis-command-timeout redis-connect-timeout redis-expire-records redis-logical-db redis-replica-command-timeout
    redis-replica-connect-timeout redis-replica-logical-db redis-replica-server-host redis-replica-server-password
    redis-replica-server-path redis-replica-server-port redis-replica-timeout redis-server-host redis-server-password
    redis-server-path redis-server-port redis-timeout remote-control response-ip response-ip-data response-ip-tag root-hints
    root-key-sentinel rpz rpz-action-override rpz-cname-override rpz-log rpz-log-name rpz-signal-nxdomain-ra rrset-cache-size
    rrset-cache-slabs rrset-roundrobin secret-seed send-client-subnet serve-expired serve-expired-client-timeout
    serve-expired-reply-ttl serve-expired-ttl serve-expired-ttl-reset serve-original-ttl server server-cert-file server-key-file
    shm-enable shm-key so-rcvbuf so-reuseport so-sndbuf sock-queue-timeout ssl-cert-bundle ssl-port ssl-service-key ssl-service-pem
    ssl-upstream statistics-cumulative statistics-inhibit-zero statistics-interval stream-wait-size stub-addr stub-first stub-host
    stub-no-cache stub-prime stub-ssl-upstream stub-tcp-upstream stub-tls-upstream stub-zone tags target-fetch-policy
    tcp-auth-query-timeout tcp-connection-limit tcp-idle-timeout tcp-mss tcp-reuse-timeout tcp-upstream tls-additional-port
    tls-additional-ports tls-cert-bundle tls-ciphers tls-ciphersuites tls-port tls-protocols tls-service-key tls-service-pem
    tls-session-ticket-keys tls-system-cert tls-upstream tls-use-sni tls-win-cert trust-anchor trust-anchor-file
    trust-anchor-signaling trusted-keys-file udp-connect udp-upstream-without-downstream unblock-lan-zones unknown-server-time-limit
    unwanted-reply-threshold url use-caps-for-id use-syslog use-systemd username val-bogus-ttl val-clean-additional val-log-level
    val-max-restart val-nsec3-keysize-iterations val-override-date val-permissive-mode val-sig-skew-max val-sig-skew-min verbosity
    version view view-first wait-limit wait-limit-cookie wait-limit-cookie-netblock wait-limit-netblock zonefile zonemd-check
    zonemd-permissive-mode zonemd-reject-absence
    """.split()
)

#: Statements of BIND 9.18 to 9.21: at the top, in options, views and zones.
NAMED: Final = tuple(
    """
    acl allow-new-zones allow-notify allow-proxy allow-proxy-on allow-query allow-query-cache allow-query-cache-on allow-query-on
    allow-recursion allow-recursion-on allow-transfer allow-update allow-update-forwarding also-notify alt-transfer-source
    alt-transfer-source-v6 answer-cookie attach-cache auth-nxdomain auto-dnssec automatic-interface-scan avoid-v4-udp-ports
    avoid-v6-udp-ports bindkeys-file blackhole catalog-zones check-dup-records check-integrity check-mx check-mx-cname check-names
    check-sibling check-spf check-srv-cname check-svcb check-wildcard checkds clients-per-query controls cookie-algorithm
    cookie-secret coresize database datasize delegation-only deny-answer-addresses deny-answer-aliases dialup directory
    disable-algorithms disable-ds-digests disable-empty-zone dlz dns64 dns64-contact dns64-server dnskey-sig-validity dnsrps-enable
    dnsrps-library dnsrps-options dnssec-accept-expired dnssec-dnskey-kskonly dnssec-loadkeys-interval dnssec-must-be-secure
    dnssec-policy dnssec-secure-to-insecure dnssec-update-mode dnssec-validation dnstap dnstap-identity dnstap-output dnstap-version
    dscp dual-stack-servers dump-file dyndb edns-udp-size empty-contact empty-server empty-zones-enable fetch-quota-params
    fetches-per-server fetches-per-zone file files flush-zones-on-shutdown forward forwarders fstrm-set-buffer-hint
    fstrm-set-flush-timeout fstrm-set-input-queue-size fstrm-set-output-notify-threshold fstrm-set-output-queue-model
    fstrm-set-output-queue-size fstrm-set-reopen-interval geoip-directory glue-cache heartbeat-interval hostname http
    http-listener-clients http-port http-streams-per-connection https-port in-view initial-file inline-signing interface-interval
    ipv4only-contact ipv4only-enable ipv4only-server ixfr-from-differences journal keep-response-order key key-directory key-store
    lame-ttl listen-on listen-on-v6 lmdb-mapsize lock-file log-report-channel logging managed-keys managed-keys-directory
    masterfile-format masterfile-style match-clients match-destinations match-mapped-addresses match-recursive-only max-cache-size
    max-cache-ttl max-clients-per-query max-delegation-servers max-delegation-ttl max-ixfr-ratio max-journal-size max-ncache-ttl
    max-query-count max-query-restarts max-records max-records-per-type max-recursion-depth max-recursion-queries max-refresh-time
    max-retry-time max-rsa-exponent-size max-stale-ttl max-transfer-idle-in max-transfer-idle-out max-transfer-time-in
    max-transfer-time-out max-types-per-name max-udp-size max-validation-failures-per-fetch max-validations-per-fetch max-zone-ttl
    memstatistics memstatistics-file message-compression min-cache-ttl min-delegation-ttl min-ncache-ttl min-refresh-time
    min-retry-time min-transfer-rate-in minimal-any minimal-responses multi-master new-zones-directory no-case-compress
    nocookie-udp-size notify notify-cfg notify-defer notify-delay notify-rate notify-source notify-source-v6 notify-to-soa
    nsec3-test-zone nta-lifetime nta-recheck nxdomain-redirect options parental-agents parental-source parental-source-v6 pid-file
    plugin port preferred-glue prefetch primaries provide-ixfr provide-zoneversion qname-minimization query-source query-source-v6
    querylog random-device rate-limit recursing-file recursion recursive-clients remote-servers request-expire request-ixfr
    request-ixfr-max-diffs request-nsid request-zoneversion require-server-cookie reserved-sockets resolver-nonbackoff-tries
    resolver-query-timeout resolver-retry-interval resolver-use-dns64 response-padding response-policy responselog reuseport
    root-delegation-only root-key-sentinel rrset-order secroots-file send-cookie send-report-channel serial-query-rate
    serial-update-method server server-addresses server-id server-names servfail-ttl session-keyalg session-keyfile session-keyname
    sig-signing-nodes sig-signing-signatures sig-signing-type sig-validity-interval sig0checks-quota sig0checks-quota-exempt
    sig0key-checks-limit sig0message-checks-limit sortlist stacksize stale-answer-client-timeout stale-answer-enable stale-answer-ttl
    stale-cache-enable stale-refresh-time startup-notify-rate statistics-channels statistics-file suppress-initial-notify
    synth-from-dnssec tcp-advertised-timeout tcp-clients tcp-idle-timeout tcp-initial-timeout tcp-keepalive-timeout tcp-listen-queue
    tcp-primaries-timeout tcp-receive-buffer tcp-reuse-timeout tcp-send-buffer template tkey-dhkey tkey-domain tkey-gssapi-credential
    tkey-gssapi-keytab tls tls-port transfer-format transfer-message-size transfer-source transfer-source-v6 transfers-in
    transfers-out transfers-per-ns trust-anchor-telemetry trust-anchors trusted-keys try-tcp-refresh type udp-receive-buffer
    udp-send-buffer update-check-ksk update-policy update-quota use-alt-transfer-source use-v4-udp-ports use-v6-udp-ports v6-bias
    validate-except version view zero-no-soa-ttl zero-no-soa-ttl-cache zone zone-statistics
    """.split()
)

#: Plugins of CoreDNS 1.13.
COREDNS: Final = tuple(
    """
    root metadata geoip cancel proxyproto quic grpc_server https https3 timeouts multisocket reload nsid bufsize bind debug trace
    ready health pprof shed prometheus errors log dnstap local dns64 any chaos loadbalance tsig rewrite autopath acl cache header
    dnssec tls minimal template transfer hosts route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward
    grpc erratic whoami on sign view nomad
    """.split()
)
