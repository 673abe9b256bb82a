"""
Cookies, by which clients show that their address is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Part, Site, Stage

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["CookieFeature", "CookieSettings", "secretsOf"]


class CookieSettings(Section):
    isFirst = True

    cookies: bool = setting(types.FLAG, True, "Send and check DNS cookies (RFC 7873)", group="Access control and replies", live=False)
    cookieSecret: str = setting(
        types.SECRET,
        "",
        "File with 32 hexadecimal digits on each line as secrets for cookies, for servers that share an address: cookies are made with the "
        "first one, and accepted if made with any; by default one is drawn at each start",
    )
    requireCookie: tuple[str, ...] = setting(
        types.PREFIX,
        (),
        "Answer these clients over UDP only with a valid cookie of this server; clients without a cookie have to use TCP",
        live=False,
    )


def secretsOf(settings: Settings) -> tuple[bytes, ...]:
    """
    Read the secrets for cookies, none if the server draws one.

    @raise BadDescription: their file cannot be used.
    """
    path = settings[CookieSettings].cookieSecret
    try:
        return types.readSecrets(path) if path else ()
    except OSError as error:
        raise BadDescription(f"cookie-secret: {path}: {error.strerror or error}") from None


class _Cookies(Active):
    def __init__(self, site: Site, settings: CookieSettings) -> None:
        # Imported where queries are answered only.
        from twisted_ext.server.reply.cookies import CookieReplies, Cookies, RequiredCookies
        from twisted_ext.server.reply.gates import CookieGate, QuestionGate

        required = RequiredCookies(settings.requireCookie) if settings.requireCookie else None
        if not settings.cookies:
            if required is not None:
                raise BadDescription("require-cookie needs cookies = yes")
            self.parts = (Part(Stage.PROOF, gate=QuestionGate()),)
            return
        cookies = Cookies(*(site.cookieSecrets or (site.secret,)), alone=not site.cookieSecrets)
        self.parts = (Part(Stage.PROOF, gate=CookieGate(cookies, site.today)),)
        self.rereads = "secrets for cookies" if settings.cookieSecret else ""
        self.cookies = CookieReplies(cookies, required, site.today)
        if required is not None:
            self.admits, self.requiresCookies = required.admit, True


class CookieFeature(Feature):
    """
    Gives clients cookies, and checks those that they send.
    """

    name = "cookies"
    settings = CookieSettings

    def make(self, site: Site, former: Active | None) -> Active | None:
        return _Cookies(site, site.settings[CookieSettings])
