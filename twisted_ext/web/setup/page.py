"""
The page C{/setup} of a server, which tells people how to use it from phones, browsers and systems.

It is whole in one file, and works without scripts: it may be the first page that a device opens, before it can look up any name.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from textwrap import wrap
from typing import Final

from twisted_ext.errors import CallerFault
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.transport.urls import PORTS
from twisted_ext.web.setup.documents import SetupDocument, documentsFor, refusalsFor
from twisted_ext.web.setup.qrcode import qrSVG

__all__ = ["POLICY", "SETUP", "SetupPage", "setupPages"]

#: The path of the page; its files are below it.
SETUP: Final = "/setup"

#: The path of the certificate of the private authority.
_CA: Final = f"{SETUP}/ca.pem"

_STYLE: Final = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1b1f24; --dim: #5c6773; --line: #dde2e8; --act: #1660b4; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171b; --card: #1d2127; --ink: #e6e9ed; --dim: #98a3af; --line: #323941; --act: #7db7f5; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: .5rem 0; font-size: 1.5rem; } h2 { margin: 0 0 .4rem; font-size: 1.1rem; }
p { margin: .4rem 0; } a { color: var(--act); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1rem; margin: .8rem 0; }
section { margin: 1rem 0; padding: .9rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  overflow-wrap: anywhere; }
pre { margin: .6rem 0 0; padding: .6rem; max-height: 20rem; overflow: auto; background: var(--back); border: 1px solid var(--line);
  border-radius: .3rem; font: 13px/1.4 ui-monospace, monospace; user-select: all; }
code { overflow-wrap: anywhere; font: .95em ui-monospace, monospace; }
figure { margin: .7rem 0 0; } svg { display: block; max-width: 100%; border-radius: .3rem; }
figcaption, footer, summary { color: var(--dim); font-size: .9rem; }
"""

#: The Content-Security-Policy of the page.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PROFILE: Final = ".mobileconfig"

#: Records for a zone are for its operator.
_NOT_FOR_VISITORS: Final = frozenset(("zone",))

_NOTHING: Final = (
    "<p>This server has no settings to offer: it has no encrypted listeners, or its certificate is for trials, or has no host name by "
    "which clients could know it. The operator can change that with <code>tls</code>, <code>https</code>, <code>certificate</code> or "
    "<code>designated-name</code>.</p>"
)

_TRIAL: Final = (
    "<p>The certificate is self-signed, for trials: phones and browsers reject it. Programs can check it by its pin, "
    "<code>pin-sha256=&quot;{}&quot;</code></p>"
)

_AUTHORITY: Final = (
    '<p>The certificate comes from an authority of this network. Devices have to trust it: install <a href="{}">ca.pem</a> first. The '
    "profile for Apple's devices contains it.</p>"
)

_UNKNOWN_ISSUER: Final = (
    "<p>The certificate comes from {}, an authority that this server's own system does not trust. Devices that do not trust it either "
    "need its certificate. The operator can add that to the end of the file that <code>certificate</code> names; this page then offers "
    "it.</p>"
)

_OTHERS: Final = '<section id="others"><h2>Other devices</h2><p>These cannot use what the server offers now:</p><ul>{}</ul></section>'

_WITHOUT_CODES: Final = (
    "<p>QR codes on this page need an extra, which the operator of the server can install: <code>pip install 'twisted-ext[qr]'</code></p>"
)


@dataclass(frozen=True, slots=True)
class SetupPage:
    """
    A page, or a file to download from it.

    @ivar fileName: what browsers should save it as, C{""} to show it.
    """

    path: str
    body: bytes
    mediaType: str = "text/html; charset=utf-8"
    fileName: str = ""


def setupPages(offer: Offer | None, authority: bytes = b"", pin: str = "", issuer: str = "") -> list[SetupPage]:
    """
    Make the page and its files.

    @param offer: what the server really offers; L{None} if clients cannot use it.
    @param authority: see L{documentFor<twisted_ext.web.setup.documents.documentFor>}.
    @param pin: that of the certificate, if it is self-signed, so that most clients reject it.
    @param issuer: the name of the authority, if its certificate is not known and the system does not trust it; else C{""}.
    """
    trial = _TRIAL.format(escape(pin)) if pin else ""
    if offer is None:
        return [SetupPage(SETUP, _page("this server", trial + _NOTHING).encode())]
    # Nothing that is shown here can use a certificate that nobody vouches for.
    found = [] if pin else [each for each in documentsFor(offer, authority) if each[0] not in _NOT_FOR_VISITORS]
    urls = "".join([f"<li><code>{escape(str(url))}</code></li>" for url in offer.urls])
    trust = trial
    pages: list[SetupPage] = []
    if authority and not pin:
        trust = _AUTHORITY.format(_CA)
        pages.append(SetupPage(_CA, _pem(authority), "application/x-pem-file", "ca.pem"))
    elif issuer and not pin:
        trust = _UNKNOWN_ISSUER.format(escape(issuer))
    links = "".join([f'<a href="#{client}">{escape(document.title)}</a>' for client, document in found])
    parts = [
        "<p>Programs that use this server send their DNS queries encrypted, so that observers can neither read nor change them. Its URLs:"
        f"</p><ul>{urls}</ul>{trust}<nav>{links}</nav>"
    ]
    hasCodes = True
    for client, document in found:
        file = f"{SETUP}/{client}" if document.fileName else ""
        code = _codeFor(offer, document, file)
        image = ""
        if code and hasCodes:
            try:
                image = f"<figure>{qrSVG(code)}<figcaption><code>{escape(code)}</code></figcaption></figure>"
            except CallerFault:
                hasCodes = False
        parts.append("".join(_section(client, document, file, image)))
        if file:
            # Apple's devices offer to install a profile that they open.
            name = "" if document.fileName.endswith(_PROFILE) else document.fileName.rpartition("/")[2]
            pages.append(SetupPage(file, document.text.encode(), document.mediaType, name))
    refused = [] if pin else [each for each in refusalsFor(offer, authority) if each[0] not in _NOT_FOR_VISITORS]
    if refused:
        parts.append(_OTHERS.format("".join([f"<li>{escape(client)}: {escape(why)}</li>" for client, why in refused])))
    if not hasCodes:
        parts.append(_WITHOUT_CODES)
    return [SetupPage(SETUP, _page(offer.name, "".join(parts)).encode()), *pages]


def _pem(der: bytes) -> bytes:
    lines = wrap(b64encode(der).decode(), 64)
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()


def _codeFor(offer: Offer, document: SetupDocument, file: str) -> str:
    """
    Return the text of a QR code: that of the document, or for one that a phone opens as a file, where that is.
    """
    if document.code or not document.fileName.endswith(_PROFILE):
        return document.code
    url = offer.url("https")
    if url is None:
        return ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port == PORTS["https"] else f":{url.port}"
    return f"https://{host}{port}{file}"


def _section(client: str, document: SetupDocument, file: str, image: str) -> Iterator[str]:
    yield f'<section id="{client}"><h2>{escape(document.title)}</h2><p>{escape(document.advice)}</p>'
    if file:
        yield f'<p><a href="{file}">{escape(document.fileName)}</a></p>'
        yield f"<details><summary>Show the file</summary><pre>{escape(document.text)}</pre></details>"
    else:
        yield f"<pre>{escape(document.text.rstrip())}</pre>"
    yield f"{image}</section>"


def _page(name: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Encrypted DNS by {escape(name)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>Encrypted DNS by {escape(name)}</h1>{body}</main></body></html>\n"
    )
