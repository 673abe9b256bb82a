"""
Settings for phones, browsers and systems that are to use a server's encrypted listeners.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from twisted_ext.errors import BadDescription
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.transport.stamps import Stamp
from twisted_ext.transport.urls import PORTS, ServerURL

__all__ = ["DOCUMENTS", "SetupDocument", "documentFor", "documentsFor", "refusalsFor"]


@dataclass(frozen=True, slots=True)
class SetupDocument:
    """
    The settings for one kind of client.

    @ivar title: the clients that it is for.
    @ivar advice: what to do with it, in one or two sentences.
    @ivar text: the settings, which end with a line break.
    @ivar fileName: the usual name or path of the file with this text, C{""} if it is not a file.
    @ivar mediaType: of that file.
    @ivar code: what to scan from a screen instead of typing, in one line; C{""} if clients take no such thing.
    """

    title: str
    advice: str
    text: str
    fileName: str = ""
    mediaType: str = "text/plain; charset=utf-8"
    code: str = ""


def documentFor(client: str, offer: Offer, authority: bytes = b"") -> SetupDocument:
    """
    Make the settings for one kind of client.

    @param client: a key of L{DOCUMENTS}.
    @param authority: the certificate of the private authority, as DER, if clients do not trust the server's otherwise.

    @raise BadDescription: there is no such kind, or these clients cannot use what is offered; says what they need.
    """
    make = DOCUMENTS.get(client)
    if make is None:
        from twisted_ext.resolver.strings.schema import nearest

        raise BadDescription(f"there are no settings for {client!r}{nearest(client, list(DOCUMENTS))}")
    return make(offer, authority)


def documentsFor(offer: Offer, authority: bytes = b"") -> Iterator[tuple[str, SetupDocument]]:
    """
    Yield the settings of all kinds of clients that can use what is offered.
    """
    for client in DOCUMENTS:
        try:
            yield client, documentFor(client, offer, authority)
        except BadDescription:
            continue


def refusalsFor(offer: Offer, authority: bytes = b"") -> Iterator[tuple[str, str]]:
    """
    Yield the kinds of clients that cannot use what is offered, each with what they need.
    """
    for client in DOCUMENTS:
        try:
            documentFor(client, offer, authority)
        except BadDescription as fault:
            yield client, str(fault).removeprefix(f"{client}: ")


def _needed(offer: Offer, scheme: str, client: str) -> ServerURL:
    url = offer.url(scheme)
    if url is None:
        what = {"tls": "DNS over TLS", "https": "DNS over HTTPS"}[scheme]
        raise BadDescription(f"{client}: {what} is needed; add {scheme}://{offer.name}")
    return url


def _named(offer: Offer, client: str) -> None:
    if not offer.hasHostName:
        raise BadDescription(f"{client}: the server needs a host name; {offer.name} is an address")


def _usual(url: ServerURL, client: str) -> None:
    if url.port != PORTS[url.scheme]:
        raise BadDescription(f"{client}: the port of {url} cannot be set; listen at port {PORTS[url.scheme]}")


def _apple(offer: Offer, authority: bytes) -> SetupDocument:
    import plistlib

    client = "apple"
    url = _appleURL(offer, client)
    settings: dict[str, object]
    if url.scheme == "https":
        settings = {"DNSProtocol": "HTTPS", "ServerURL": str(url)}
    else:
        settings = {"DNSProtocol": "TLS", "ServerName": offer.name}
    if offer.addresses:
        settings["ServerAddresses"] = list(offer.addresses)
    # The same server gets the same identifiers, so that a new profile replaces the old one.
    identifier = ".".join(reversed(offer.name.split("."))) if offer.hasHostName else f"dns.{offer.name.replace(':', '-')}"
    contents: list[dict[str, object]] = [
        {
            "DNSSettings": settings,
            "PayloadDisplayName": f"DNS of {offer.name}",
            "PayloadIdentifier": f"{identifier}.settings",
            "PayloadType": "com.apple.dnsSettings.managed",
            "PayloadUUID": str(uuid5(NAMESPACE_URL, f"{url}#settings")).upper(),
            "PayloadVersion": 1,
        }
    ]
    if authority:
        contents.append(
            {
                "PayloadContent": authority,
                "PayloadDisplayName": f"Authority of {offer.name}",
                "PayloadIdentifier": f"{identifier}.authority",
                "PayloadType": "com.apple.security.root",
                "PayloadUUID": str(uuid5(NAMESPACE_URL, f"{url}#authority")).upper(),
                "PayloadVersion": 1,
            }
        )
    profile = {
        "PayloadContent": contents,
        "PayloadDescription": f"Sends DNS queries encrypted to {offer.name}.",
        "PayloadDisplayName": f"Encrypted DNS by {offer.name}",
        "PayloadIdentifier": identifier,
        "PayloadRemovalDisallowed": False,
        "PayloadType": "Configuration",
        "PayloadUUID": str(uuid5(NAMESPACE_URL, str(url))).upper(),
        "PayloadVersion": 1,
    }
    return SetupDocument(
        "iPhone, iPad, Mac",
        "Open the file on the device, then install the profile in Settings, General, VPN & Device Management.",
        plistlib.dumps(profile).decode("utf-8"),
        f"{offer.name.replace(':', '-')}.mobileconfig",
        "application/x-apple-aspen-config",
    )


def _appleURL(offer: Offer, client: str) -> ServerURL:
    """
    Return the first URL that a profile can have: one for TLS has a host name and the usual port.
    """
    problem: BadDescription | None = None
    for url in offer.urls:
        if url.scheme == "https":
            return url
        if url.scheme == "tls":
            try:
                _named(offer, client)
                _usual(url, client)
            except BadDescription as fault:
                problem = problem or fault
            else:
                return url
    raise problem or BadDescription(f"{client}: DNS over HTTPS or TLS is needed; add https://{offer.name}")


def _android(offer: Offer, authority: bytes) -> SetupDocument:
    url = _needed(offer, "tls", "android")
    _named(offer, "android")
    _usual(url, "android")
    return SetupDocument(
        "Android 9 and later",
        "In Settings, Network & internet, Private DNS, choose the provider's host name, and enter this one.",
        f"{offer.name}\n",
        code=offer.name,
    )


def _windows(offer: Offer, authority: bytes) -> SetupDocument:
    client = "windows"
    url = _needed(offer, "https", client)
    # Windows refuses a template with an address other than that of the server.
    addresses = offer.addresses if offer.hasHostName else (offer.name,)
    if not addresses:
        raise BadDescription(f"{client}: the server's address is needed, such as 192.0.2.53")
    template = _plain(url).replace("'", "''")
    lines = [
        f"Add-DnsClientDohServerAddress -ServerAddress '{address}' -DohTemplate '{template}' -AllowFallbackToUdp $False -AutoUpgrade $True"
        for address in addresses
    ]
    quoted = ",".join([f"'{address}'" for address in addresses])
    lines.append(f"Get-NetAdapter -Physical | Set-DnsClientServerAddress -ServerAddresses {quoted}")
    return SetupDocument(
        "Windows 11, Windows Server 2022",
        "Run the commands in PowerShell as administrator; or in Settings, Network & internet, the properties of the connection, edit the "
        f"DNS server assignment: Manual, the address {addresses[0]}, DNS over HTTPS with the manual template {_plain(url)}, no fallback to "
        "plaintext.",
        "".join([f"{line}\n" for line in lines]),
    )


def _resolved(offer: Offer, authority: bytes) -> SetupDocument:
    client = "systemd-resolved"
    url = _needed(offer, "tls", client)
    if not offer.addresses:
        raise BadDescription(f"{client}: the server's address is needed, such as 192.0.2.53")
    servers = []
    for address in offer.addresses:
        place = address
        if url.port != PORTS["tls"]:
            place = f"[{address}]:{url.port}" if ":" in address else f"{address}:{url.port}"
        # Behind # belongs a host name; without one, the certificate has to be for the address.
        servers.append(f"{place}#{offer.name}" if offer.hasHostName else place)
    text = f"[Resolve]\nDNS={' '.join(servers)}\nDNSOverTLS=yes\nDomains=~.\n"
    return SetupDocument(
        "Linux with systemd-resolved",
        "Save the file, then run: systemctl restart systemd-resolved",
        text,
        f"/etc/systemd/resolved.conf.d/{offer.name.replace(':', '-')}.conf",
    )


def _firefox(offer: Offer, authority: bytes) -> SetupDocument:
    url = _needed(offer, "https", "firefox")
    policies: dict[str, object] = {
        "DNSOverHTTPS": {"Enabled": True, "ProviderURL": _plain(url), "Fallback": False, "Locked": False}
    }
    if offer.addresses:
        # Firefox takes one.
        policies["Preferences"] = {"network.trr.bootstrapAddr": {"Value": offer.addresses[0], "Status": "default"}}
    return SetupDocument(
        "Firefox",
        f"In Settings, Privacy & Security, DNS over HTTPS, choose Max Protection and enter {_plain(url)} as custom provider; or save the "
        "file for all users of a machine.",
        f"{json.dumps({'policies': policies}, indent=2)}\n",
        "/etc/firefox/policies/policies.json",
        "application/json",
        _plain(url),
    )


def _chromium(offer: Offer, authority: bytes) -> SetupDocument:
    url = _needed(offer, "https", "chromium")
    policies = {"DnsOverHttpsMode": "secure", "DnsOverHttpsTemplates": str(url)}
    return SetupDocument(
        "Chromium, Chrome, Edge",
        f"In Settings, Privacy and security, Security, Use secure DNS, enter {url} as custom provider; or save the file for all users of "
        "a machine (for Chrome below /etc/opt/chrome).",
        f"{json.dumps(policies, indent=2)}\n",
        "/etc/chromium/policies/managed/dns.json",
        "application/json",
        str(url),
    )


def _stamp(offer: Offer, authority: bytes) -> SetupDocument:
    texts = [Stamp.ofURL(url, next(iter(offer.addresses), "")).toText() for url in offer.urls]
    return SetupDocument(
        "dnscrypt-proxy, AdGuard, this package",
        "Use a stamp in place of the server's address.",
        "".join([f"{text}\n" for text in texts]),
        code=texts[0],
    )


def _zone(offer: Offer, authority: bytes) -> SetupDocument:
    return SetupDocument(
        "Clients that discover servers by records",
        f"Add the records to the zone of {offer.name}. Clients of the plain server find them at _dns.resolver.arpa, and check that the "
        "certificate has its IP address.",
        offer.zoneLines(),
    )


def _plain(url: ServerURL) -> str:
    """
    Return a URL without the expression of its template.
    """
    return str(ServerURL(url.scheme, url.host, url.port, "", url.postTarget))


#: The kinds of clients, by the names that the command and the page use.
DOCUMENTS: Final[dict[str, Callable[[Offer, bytes], SetupDocument]]] = {
    "apple": _apple,
    "android": _android,
    "windows": _windows,
    "systemd-resolved": _resolved,
    "firefox": _firefox,
    "chromium": _chromium,
    "stamp": _stamp,
    "zone": _zone,
}
