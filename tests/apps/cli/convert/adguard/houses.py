"""
Configurations of AdGuard Home.
"""

from __future__ import annotations

__all__ = ["EARLIER", "SETTINGS"]

#: As a current version writes it, but for keys with their default values.
SETTINGS = """\
http:
  address: 0.0.0.0:3000
users:
  - name: admin
    password: $2a$10$abcdefghijklmnopqrstuv
theme: auto
dns:
  bind_hosts:
    - 192.168.1.2
    - ::1
  port: 5301
  ratelimit: 50
  refuse_any: true
  upstream_dns:
    - 192.0.2.53
    - tls://dns.example
    - https://192.0.2.54/dns-query
    - h3://doh.example:8443/dns-query
    - quic://[2001:db8::53]:784
    - tcp://192.0.2.55:5353
    - '# comment'
    - '[/lan/corp.example/]192.168.1.1 192.168.1.3:5353'
    - '[/open.corp.example/]#'
    - '[//]192.168.1.1'
    - udp://dns.example
  bootstrap_dns:
    - 192.0.2.1
    - 2001:db8::1
    - https://192.0.2.2/dns-query
  fallback_dns:
    - 192.0.2.99
  upstream_mode: load_balance
  allowed_clients:
    - 192.168.0.0/16
    - my-phone
  blocked_hosts:
    - version.bind
    - id.server
    - hostname.bind
    - bad.example
  trusted_proxies:
    - 127.0.0.0/8
    - ::1/128
  cache_size: 8388608
  cache_ttl_min: 60
  cache_ttl_max: 86400
  cache_optimistic: true
  cache_optimistic_max_age: 12h
  bogus_nxdomain:
    - 192.0.2.66
  aaaa_disabled: true
  enable_dnssec: true
  edns_client_subnet:
    enabled: true
    use_custom: false
  use_private_ptr_resolvers: true
  local_ptr_upstreams:
    - 192.168.1.1
  serve_http3: true
  hostsfile_enabled: false
  pending_requests:
    enabled: true
tls:
  enabled: true
  server_name: dns.home.example
  port_https: 443
  port_dns_over_tls: 8853
  port_dns_over_quic: 0
  certificate_path: /etc/adguard/dns.crt
  private_key_path: /etc/adguard/dns.key
querylog:
  enabled: true
filters:
  - enabled: true
    url: https://lists.example/ads.txt
    name: Ads & more
    id: 1
  - enabled: false
    url: https://lists.example/off.txt
    name: Off
    id: 2
  - enabled: true
    url: http://lists.example/clear.txt
    name: Clear
    id: 3
  - enabled: true
    url: /etc/adguard/own.txt
    name: Own
    id: 4
whitelist_filters:
  - enabled: true
    url: https://lists.example/good.txt
    name: Ads & more
    id: 5
user_rules:
  - '! comment'
  - '||ads.example^'
  - '@@||shop.example^$important'
  - exact.example
  - 192.168.1.5 nas.lan files.lan
  - 0.0.0.0 tracker.example
  - '||part.example/path'
  - '||tagged.example^$ctag=device_tv'
  - '||addressed.example^$client=192.168.1.7'
  - ""
dhcp:
  enabled: true
  interface_name: eth0
filtering:
  blocked_services:
    schedule:
      time_zone: Local
    ids:
      - roblox
  blocking_mode: nxdomain
  rewrites:
    - domain: printer.lan
      answer: 192.168.1.20
      enabled: true
    - domain: '*.dev.lan'
      answer: 2001:db8::80
    - domain: www.home.example
      answer: web.example
    - domain: plain.example
      answer: plain.example
    - domain: off.lan
      answer: 192.168.1.21
      enabled: false
  filters_update_interval: 12
  parental_enabled: true
  filtering_enabled: true
  protection_enabled: true
clients:
  runtime_sources:
    whois: true
  persistent:
    - name: Network
      ids:
        - 192.168.9.0/24
      use_global_settings: false
      filtering_enabled: false
    - name: Parents' laptop
      ids:
        - 192.168.9.7
      use_global_settings: true
      filtering_enabled: false
    - name: Phone
      ids:
        - aa:bb:cc:dd:ee:ff
        - phone-1
      use_global_settings: true
    - name: TV
      ids:
        - 192.168.1.40
        - 2001:db8::40
      use_global_settings: true
      upstreams:
        - 192.0.2.7
unheard:
  of: 3
schema_version: 33
"""

#: As a version from 2021 wrote it.
EARLIER = """\
bind_host: 0.0.0.0
bind_port: 3000
dns:
  bind_hosts:
  - 0.0.0.0
  port: 53
  protection_enabled: true
  blocking_mode: custom_ip
  blocking_ipv4: 192.0.2.80
  blocking_ipv6: 2001:db8::80
  upstream_dns:
  - 192.0.2.53
  bootstrap_dns: 192.0.2.1
  all_servers: true
  filtering_enabled: true
  safebrowsing_enabled: true
  edns_client_subnet: false
  rewrites:
  - domain: nas.lan
    answer: 192.168.1.10
  blocked_services:
  - tiktok
filters:
- enabled: true
  url: https://lists.example/ads.txt
  name: Ads
  id: 1
clients:
- name: Guests
  ids:
  - 192.168.9.0/24
  use_global_settings: false
  filtering_enabled: false
  blocked_services: []
schema_version: 10
"""
