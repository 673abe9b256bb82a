"""
Keys of AdGuard Home that change no answers, or that nothing here does, with the reasons.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MISSING", "NEEDLESS", "OTHERS"]

#: Keys and tables of the first level that are no part of a DNS server's answers.
OTHERS: Final = (
    "http", "users", "auth_attempts", "block_auth_min", "http_proxy", "language", "theme", "debug_pprof", "web_session_ttl", "querylog",
    "statistics", "log", "os", "bind_host", "bind_port", "beta_bind_port", "rlimit_nofile", "log_compress", "log_localtime",
    "log_max_backups", "log_max_size", "log_max_age", "log_file", "verbose", "schema_version",
)  # fmt: skip

#: Keys of C{dns} and C{filtering}: their default values, at which they say nothing, and the reason.
NEEDLESS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "anonymize_client_ip": (("false",), "by default no client is in the log; see query-log"),
    "bootstrap_prefer_ipv6": (("false",), "the address of an upstream that replies is used"),
    "cache_optimistic_answer_ttl": (("30s",), "stale answers have a TTL of 30 seconds"),
    "max_goroutines": (("300", "50", "0"), "queries take no threads here"),
    "upstream_timeout": (("10s",), "an upstream that is silent is given up by what is known of it"),
    "pending_requests": ((), "equal queries always share one look-up"),
    "ratelimit_subnet_len_ipv4": (("24",), "one client is limited, not its network; see client-rate"),
    "ratelimit_subnet_len_ipv6": (("56", "64"), "one client is limited, not its network; see client-rate"),
    "parental_block_host": (("family-block.dns.adguard.com",), "blocked names have one answer; see block-reply"),
    "safebrowsing_block_host": (("standard-block.dns.adguard.com",), "blocked names have one answer; see block-reply"),
    "safe_fs_patterns": ((), "any file may be a list"),
    "safebrowsing_cache_size": (("1048576",), "AdGuard's servers are not asked about names"),
    "safesearch_cache_size": (("1048576",), "restricted search engines need no cache"),
    "parental_cache_size": (("1048576",), "AdGuard's servers are not asked about names"),
    "parental_sensitivity": (("0",), "AdGuard's servers are not asked about names"),
    "cache_time": (("30",), "AdGuard's servers are not asked about names"),
    "blocked_response_ttl": (("10",), "clients keep answers for blocked names for a minute"),
    "statistics_interval": (("1", "90"), "there is no database of queries"),
    "querylog_enabled": (("true",), "there is no database of queries; see query-log"),
    "querylog_file_enabled": (("true",), "there is no database of queries; see query-log"),
    "querylog_interval": (("90", "2160h"), "there is no database of queries; see query-log"),
    "querylog_size_memory": (("1000",), "there is no database of queries; see query-log"),
    "querylog_memsize": (("0",), "there is no database of queries; see query-log"),
    "resolve_clients": (("true",), "clients are shown by their addresses"),
}

#: Keys of C{dns} that nothing here does, what they are if they say nothing, the reason, and what to do.
MISSING: Final[dict[str, tuple[tuple[str, ...], str, str]]] = {
    "bogus_nxdomain": ((), "answers of upstreams are not changed for addresses in them", ""),
    "ipset": ((), "no sets of addresses of the kernel are filled", "run dnsmasq for it"),
    "ipset_file": ((), "no sets of addresses of the kernel are filled", "run dnsmasq for it"),
    "use_dns64": (("false",), "no IPv6 addresses are made of IPv4 addresses", "ask an upstream that does so"),
    "ratelimit_whitelist": ((), "client-rate is for all clients", ""),
    "private_networks": ((), "which networks are private is given", "write a route for the reverse zones of others"),
}
