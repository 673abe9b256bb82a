"""
Tests of the site of the console: who gets in, and which forms are taken.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote, urlencode

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import Peer, Response, talk
from twisted_ext.errors import CallerFault
from twisted_ext.server.operations.audit import AuditLog
from twisted_ext.web.console.site import browsers
from twisted_ext.web.console.site import sessions as sessionsModule
from twisted_ext.web.console.site import site as module
from twisted_ext.web.console.site.browsers import KnownBrowsers
from twisted_ext.web.console.site.madeusers import ConsoleUsers
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply
from twisted_ext.web.console.site.site import consoleSite
from twisted_ext.web.console.site.table import ConsoleRow, ConsoleTable
from twisted_ext.web.console.site.users import Passwords, userToTOML
from twisted_ext.web.http.attempts import FailedAttempts

#: Made once: a hash takes 40 ms.
_USERS = userToTOML("anna", "zones", "right password") + userToTOML("guest", "read", "right password")

_HOST = "127.0.0.1:8082"


class SiteTests(SynchronousTestCase):
    """
    A console with one page, which notes what its form has.
    """

    isEncrypted = False

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.file = self.folder / "users"
        self.file.write_text(_USERS)
        self.file.chmod(0o600)
        self.clock = Clock()
        self.taken: list[dict[str, str]] = []
        self.fault: Exception | None = None
        audit = AuditLog(str(self.folder))
        self.addCleanup(audit.stopService)
        self.notes: list[object] = []
        noting = patch.object(audit, "note", self.notes.append)
        noting.start()
        self.addCleanup(noting.stop)

        # Passwords whose comparison is under way, if they are held.
        self.held: list[tuple[Deferred[object], Callable[[], object]]] | None = None
        self.known = str(self.folder / "known")
        self.audit = audit
        self.cookie = ""
        self.timer = self.clock.seconds
        self.address = "127.0.0.1"
        # That by which a browser is known.
        self.mark = ""
        self.start()

    def start(self) -> None:
        """
        Make the site, as after a restart.
        """

        def outside(work: Callable[[], object]) -> Deferred[object]:
            if self.held is None:
                return maybeDeferred(work)
            self.held.append((Deferred(), work))
            return self.held[-1][0]

        scopes = {"GET": "read", "POST": "zones"}
        rows = [
            ConsoleRow(method, path, scope, self.page, "refused", "A page") for path in ("", "form") for method, scope in scopes.items()
        ]
        self.site = consoleSite(
            ConsoleTable(rows),
            ConsoleUsers(str(self.file), ""),
            Passwords(outside),
            KnownBrowsers(self.known, self.clock.seconds, maybeDeferred),
            self.clock,
            self.clock.seconds,
            audit=self.audit,
            hosts=("dns.example",),
            isEncrypted=self.isEncrypted,
            timer=self.timer,
        )

    @property
    def markName(self) -> str:
        return f"{'__Host-' * self.isEncrypted}txdns-known"

    def page(self, asked: ConsoleAsked) -> ConsoleReply:
        if asked.method == "POST":
            if self.fault is not None:
                raise self.fault
            self.taken.append(dict(asked.form))
            return ConsoleReply(location="/")
        return ConsoleReply({"fault": asked.fields.get("said", "")})

    def get(self, target: str = "/", **headers: str) -> Response:
        given = {"Host": _HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return talk(self.site, self.clock, target, "GET", b"", {**given, "Cookie": self.cookie} if self.cookie else given)

    def post(self, target: str, fields: dict[str, str], **headers: str) -> Response:
        given = {"Host": _HOST, "Origin": f"http://{_HOST}", "Content-Type": "application/x-www-form-urlencoded"}
        given |= {"Cookie": self.cookie} if self.cookie else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in given.items() if value}
        return talk(self.site, self.clock, target, "POST", urlencode(fields).encode(), given, self.address)

    def signIn(self, name: str = "anna", password: str = "right password", to: str = "/") -> Response:
        cookies = "; ".join([each for each in (self.cookie, f"{self.markName}={self.mark}" if self.mark else "") if each])
        reply = self.post("/signin", {"name": name, "password": password, "to": to}, Cookie=cookies)
        for each, value in reply.cookies.items():
            if each == self.markName:
                self.mark = value
            else:
                self.cookie = f"{each}={value}"
        return reply

    def proof(self) -> str:
        """
        Return what a form of this session has.
        """
        found = re.search(rb'name="proof" value="([^"]+)"', self.get().body)
        assert found is not None
        return found[1].decode()

    def test_aLargePageIsDrawnInTurns(self) -> None:
        """
        While a page is drawn, queries are answered in between; the page is the same. A browser that has gone meanwhile gets nothing.
        """
        self.signIn()
        whole = self.get().body
        self.timer = count(0.0, 0.001).__next__
        self.start()
        self.signIn()
        held: list[Deferred[None]] = []

        def later(clock: Clock, seconds: float) -> Deferred[None]:
            held.append(Deferred())
            return held[-1]

        request = f"GET / HTTP/1.1\r\nHost: {_HOST}\r\nCookie: {self.cookie}\r\nConnection: close\r\n\r\n".encode()
        with patch.object(module, "deferLater", later):
            for isGone in (False, True):
                peer = Peer(self.site, self.clock)
                peer.say(request)
                # Its turn comes, as pages have taken their share of the time.
                self.clock.advance(10)
                self.assertEqual((len(held), peer.heard), (1, b""))
                if isGone:
                    peer.leave()
                while held:
                    held.pop().callback(None)
                if isGone:
                    self.assertEqual(peer.heard, b"")
                else:
                    drawn = [re.sub(rb'value="[^"]+"', b"", body) for body in (whole, Response(peer.heard).body)]
                    self.assertEqual(drawn[0], drawn[1])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_signingIn(self) -> None:
        """
        Without a session each page leads to the one where one signs in, and from there back; a session is kept in a cookie that scripts
        and other sites do not get.
        """
        reply = self.get("/form")
        self.assertEqual((reply.code, reply.headers["location"]), (303, "/signin?to=%2Fform"))
        # With the query that a link has.
        reply = self.get("/form?said=a+b%26c&x=\u00fc".replace("\u00fc", "%C3%BC"))
        to = reply.headers["location"].removeprefix("/signin?to=")
        self.assertEqual(unquote(to), "/form?said=a+b%26c&x=%C3%BC")
        reply = self.signIn(to=unquote(to))
        self.assertEqual(reply.headers["location"], "/form?said=a+b%26c&x=%C3%BC")
        self.cookie = ""
        self.assertEqual(self.get("/signin?to=/form").code, 200)
        reply = self.signIn(to="/form")
        self.assertEqual((reply.code, reply.headers["location"]), (303, "/form"))
        prefix, more = ("__Host-", "; Secure") if self.isEncrypted else ("", "")
        self.assertEqual([*reply.cookies], [f"{prefix}txdns", self.markName])
        wanted = rf"{self.markName}=[\w-]{{43}}; Path=/; Max-Age=7776000; HttpOnly; SameSite=Strict{more}"
        self.assertRegex(reply.headers["set-cookie"], f"^{wanted}$")
        self.assertRegex(self.cookie, rf"^{prefix}txdns=[\w-]{{43}}$")
        reply = self.get()
        self.assertEqual((reply.code, b"anna</a> (zones)" in reply.body), (200, True))
        self.assertIn("default-src 'none'", reply.headers["content-security-policy"])
        self.assertEqual(reply.headers["cache-control"], "no-store")
        self.assertEqual(self.get("/none").code, 404)
        self.assertEqual(self.post("/signout", {"proof": self.proof()}).headers["location"], "/signin")
        self.assertEqual(self.get().code, 303)

    def test_wrongPasswords(self) -> None:
        """
        A wrong password and an unknown name get the same words. After five of them a network waits.
        """
        wrong = [self.signIn("anna", "wrong"), self.signIn("nobody", "right password"), self.signIn("anna", "")]
        self.assertEqual([reply.code for reply in wrong], [401, 401, 401])
        self.assertEqual(len({reply.body for reply in wrong}), 1)
        self.assertEqual(self.cookie, "")
        self.signIn("anna", "wrong")
        self.signIn("anna", "wrong")
        reply = self.signIn()
        self.assertEqual((reply.code, b"Try again in 60 seconds" in reply.body), (429, True))
        self.clock.advance(60.1)
        self.assertEqual(self.signIn().code, 303)
        with patch.object(FailedAttempts, "waitFor", lambda *_, **__: 0.0):
            self.assertEqual({self.signIn("anna", "wrong").code for _ in range(8)}, {401})

    def test_severalTriesAtOnce(self) -> None:
        """
        What is being compared counts: nine tries at once are no more than five.
        """
        self.held = []
        request = urlencode({"name": "anna", "password": "wrong"}).encode()
        headers = {"Host": _HOST, "Origin": f"http://{_HOST}", "Content-Type": "application/x-www-form-urlencoded"}
        head = f"POST /signin HTTP/1.1\r\nContent-Length: {len(request)}\r\n"
        head += "".join([f"{name}: {value}\r\n" for name, value in headers.items()]) + "\r\n"
        peers = [Peer(self.site, self.clock, address="192.0.2.1") for _ in range(9)]
        for peer in peers:
            peer.say(head.encode() + request)
        done = 0
        while done < len(self.held):
            deferred, work = self.held[done]
            done += 1
            deferred.callback(work())
        self.assertEqual(sorted([Response(peer.heard).code for peer in peers]), [401] * 5 + [429] * 4)
        # One that was right does not count.
        self.held = None
        self.clock.advance(61)
        self.address = "192.0.2.2"
        for _ in range(12):
            self.mark = ""
            self.assertEqual(self.signIn().code, 303)

    def guess(self, networks: int, tries: int = 5, name: str = "anna") -> None:
        """
        Have strangers guess passwords.
        """
        mine = self.address, self.cookie, self.mark
        self.cookie = self.mark = ""
        for number in range(networks):
            self.address = f"198.51.{number}.1"
            for _ in range(tries):
                self.signIn(name, "wrong")
        self.address, self.cookie, self.mark = mine

    def test_strangersDoNotLockOut(self) -> None:
        """
        Strangers have others wait after thirty wrong passwords, but not who sits at the server, and not a browser where this user has
        signed in before: not after a restart either.
        """
        self.address = "192.0.2.1"
        self.signIn()
        mark = self.mark
        self.guess(12)
        for self.mark, name, code in (("", "anna", 429), (mark, "guest", 429), ("x" * 43, "anna", 429), (mark, "ANNA", 303)):
            self.assertEqual((self.signIn(name).code, name), (code, name))
        self.assertNotEqual(self.mark, mark)
        former, mark = mark, self.mark
        self.start()
        self.guess(12)
        for self.mark, code in ((former, 429), (mark, 303)):
            self.assertEqual(self.signIn().code, code)
        self.mark, self.address = "", "127.0.0.1"
        self.assertEqual(self.signIn().code, 303)
        with patch.object(KnownBrowsers, "knows", lambda *_: ""):
            self.address = "192.0.2.1"
            self.assertEqual(self.signIn().code, 429)

    def test_behindAProxy(self) -> None:
        """
        All clients of a proxy at the server have one address: of strangers who guess there only unknown browsers see anything.
        """
        self.signIn()
        mark, self.mark = self.mark, ""
        for _ in range(5):
            self.signIn("anna", "wrong")
        self.assertEqual(self.signIn().code, 429)
        self.mark = mark
        self.assertEqual(self.signIn().code, 303)
        # These did not count for all.
        self.mark, self.address = "", "192.0.2.1"
        self.guess(5)
        self.assertEqual(self.signIn().code, 303)

    def test_marks(self) -> None:
        """
        A mark gives a count of its own, of the same tries, and signs no one in. It ends after three months, there are a thousand of them at
        most, and a file that cannot be used has none.
        """
        self.signIn()
        self.cookie = ""
        self.assertEqual(self.get(Cookie=f"{self.markName}={self.mark}").code, 303)
        codes = [self.signIn("anna", "wrong").code for _ in range(6)]
        self.assertEqual(codes, [401] * 5 + [429])
        self.assertEqual(self.signIn().code, 429)
        self.clock.advance(61)
        self.assertEqual(self.signIn().code, 303)
        text = Path(self.known).read_text()
        self.assertEqual((Path(self.known).stat().st_mode & 0o777, self.mark in text), (0o600, False))
        self.clock.advance(90 * 86_400)
        self.address = "192.0.2.1"
        self.guess(7)
        self.assertEqual(self.signIn().code, 429)
        self.clock.advance(61)
        mark = self.mark
        with patch.object(browsers, "_MOST", 2):
            for _ in range(2):
                self.mark = ""
                self.signIn()
            self.mark = mark
            self.guess(7)
            self.assertEqual(self.signIn().code, 429)
        for text in ("", "[1, 2]", "{}", "[" * 100_000, '[["a", "anna", "x"]]'):
            Path(self.known).write_text(text)
            self.start()
            self.assertEqual(self.signIn().code, 303)

    def test_fixation(self) -> None:
        """
        Signing in gives another secret than the browser had, which ends.
        """
        self.signIn()
        former = self.cookie
        self.signIn()
        self.assertNotEqual(self.cookie, former)
        self.cookie = former
        self.assertEqual(self.get().code, 303)
        self.cookie = f"{former.partition('=')[0]}=made-up"
        self.assertEqual(self.get().code, 303)

    def test_formsOfOthers(self) -> None:
        """
        A form is taken from a page of the same session only; each of the defences is enough by itself.
        """
        self.signIn()
        proof = self.proof()
        self.assertEqual(self.post("/form", {"proof": proof, "a": "b"}).code, 303)
        self.assertEqual(self.taken, [{"proof": proof, "a": "b"}])
        for headers in ({"Origin": "http://attacker.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": ""}):
            self.assertEqual((self.post("/form", {"proof": proof}, **headers).code, headers), (403, headers))
        for fields in ({"proof": "x"}, {}, {"proof": ""}):
            self.assertEqual(self.post("/form", fields).code, 403)
        self.assertEqual(self.get(f"/form?proof={proof}").code, 200)
        self.assertEqual(self.post(f"/form?proof={proof}", {}).code, 403)
        self.assertEqual(len(self.taken), 1)
        self.assertEqual(self.post("/form", {"proof": proof}, Origin="", Sec_Fetch_Site="same-origin").code, 303)
        with patch.object(module._Console, "_expectOwnPage", lambda *_: None):
            self.assertEqual(self.post("/form", {"proof": proof}, Origin="http://attacker.example").code, 303)
        with patch.object(sessionsModule.ConsoleSession, "isProven", lambda *_: True):
            self.assertEqual(self.post("/form", {}).code, 303)
        # That one too where nobody is signed in: it would have the victim work in the attacker's session.
        self.cookie = ""
        self.assertEqual(self.post("/signin", {"name": "anna"}, Origin="http://attacker.example").code, 403)

    def test_hosts(self) -> None:
        """
        The name of another site is refused, which a page of it could point here.
        """
        self.signIn()
        codes = [self.get(Host=host).code for host in ("attacker.example", "localhost:8082", "[::1]", "dns.example", "")]
        self.assertEqual(codes, [421, 200, 200, 200, 421])
        with patch.object(module, "isOurs", lambda *_: True):
            self.assertEqual(self.get(Host="attacker.example").code, 200)

    def test_sessionsEnd(self) -> None:
        """
        A session ends after an hour without a request, after twelve hours in any case, and when its user has another password or scope, or
        is gone.
        """
        self.signIn()
        for _ in range(12):
            self.assertEqual(self.get().code, 200)
            self.clock.advance(3599)
        self.assertEqual(self.get().code, 200)
        self.clock.advance(100)
        self.assertEqual(self.get().code, 303)
        self.signIn()
        self.clock.advance(3601)
        self.assertEqual(self.get().code, 303)
        self.signIn()
        self.file.write_text(_USERS.replace('scope = "zones"', 'scope = "read"'))
        self.assertEqual(self.get().code, 303)
        self.signIn()
        self.assertEqual(self.get().code, 200)
        self.file.write_text("broken")
        self.assertEqual(self.get().code, 503)
        self.file.write_text("")
        self.assertEqual(self.get().code, 303)

    def test_whatWasTypedIsKept(self) -> None:
        """
        A form that is sent after the session has ended is on the page where one signs in, also after a wrong password, and is sent when the
        user says so; passwords and proofs are not in it.
        """
        self.signIn()
        text = 'two\nlines <b> "x"'
        fields = {"proof": self.proof(), "data": text, "action": "apply"}
        fields |= dict.fromkeys(("password", "again", "current"), "of another form")
        self.clock.advance(3601)
        reply = self.post("/form", fields)
        self.assertEqual(reply.code, 401)
        for wrong, code in (("wrong", 401), ("right password", 200)):
            found = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', reply.body.decode()))
            self.assertEqual(set(found), {"path", "kept-data", "kept-action"})
            self.assertEqual((html.unescape(found["kept-data"]), found["path"]), (text, "/form"))
            given = {name: html.unescape(value) for name, value in found.items()}
            reply = self.post("/signin", {**given, "name": "anna", "password": wrong})
            self.assertEqual(reply.code, code)
        self.assertEqual(self.taken, [])
        page = reply.body.decode()
        self.assertNotIn("<b>", page)
        self.cookie = f"{[*reply.cookies][0]}={[*reply.cookies.values()][0]}"
        found = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page))
        self.assertIn('action="/form"', page)
        self.assertEqual(self.post("/form", {name: html.unescape(value) for name, value in found.items()}).code, 303)
        self.assertEqual([(each["data"], each["action"]) for each in self.taken], [(text, "apply")])
        # No page of another site gets a form there.
        self.cookie = ""
        self.assertEqual(self.post("/form", fields, Origin="http://attacker.example").code, 403)
        for path in ("//attacker.example/", "https://attacker.example/", "javascript:x"):
            reply = self.post("/signin", {"path": path, "kept-a": "b", "name": "anna", "password": "right password"})
            self.assertIn('<form method="post" action="/">', reply.body.decode())

    def test_manySessions(self) -> None:
        """
        The sessions of the server are bounded; the one that was used least recently ends.
        """
        with patch.object(sessionsModule, "_MOST", 2):
            cookies = []
            for _ in range(3):
                self.cookie = ""
                self.signIn()
                cookies.append(self.cookie)
        codes = []
        for self.cookie in cookies:
            codes.append(self.get().code)
        self.assertEqual(codes, [303, 200, 200])

    def test_scopes(self) -> None:
        """
        A user who may only look cannot change anything.
        """
        self.signIn("guest")
        reply = self.post("/form", {"proof": self.proof()})
        self.assertEqual((reply.code, b"you are guest with scope read" in reply.body), (403, True))
        self.assertEqual(self.taken, [])

    def test_whereItLeads(self) -> None:
        """
        After signing in, no page of another site is shown.
        """
        for to in ("//attacker.example", "https://attacker.example", "/\\attacker.example", "javascript:alert(1)", "", "/a\r\nX: y"):
            self.cookie = ""
            self.assertEqual((self.signIn(to=to).headers["location"], to), ("/", to))

    def test_hostileTexts(self) -> None:
        """
        What a request has is shown as text, never as part of a page.
        """
        self.signIn()
        for text in ("<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "&lt;b&gt;", "\u202eevil"):
            body = self.get(f"/?{urlencode({'said': text})}").body.decode()
            self.assertNotIn("<script", body)
            self.assertNotIn("<img", body)
            self.assertNotIn("49", body.partition("alert")[2])

    def test_odds(self) -> None:
        """
        Other methods, files that there are not, too many fields and large forms are refused; faults say nothing of the inside.
        """
        self.assertEqual(talk(self.site, self.clock, "/", "PUT", b"", {"Host": _HOST}).code, 405)
        self.assertEqual(self.get("/static/console.css").headers["content-type"], "text/css; charset=utf-8")
        self.assertEqual((self.get("/static/users").code, self.get("/static/..%2fusers.py").code), (404, 404))
        self.signIn()
        proof = self.proof()
        self.assertEqual(self.post("/form", {"proof": proof, **{f"f{number}": "x" for number in range(60)}}).code, 400)
        self.assertEqual(self.post("/form", {"proof": proof, "x": "y" * 1_100_000}).code, 413)
        self.fault = CallerFault("the zone is red")
        self.assertIn(b"the zone is red", self.post("/form", {"proof": proof}).body)
        self.fault = ValueError("secret")
        reply = self.post("/form", {"proof": proof})
        self.assertEqual((reply.code, b"secret" in reply.body, len(self.flushLoggedErrors(ValueError))), (500, False, 1))

    def test_audit(self) -> None:
        """
        Who signs in, who tries to, and each form are noted, without passwords.
        """
        self.signIn("anna", "wrong")
        self.signIn()
        self.post("/form", {"proof": self.proof()})
        noted = [(note["user"], note["path"], note["status"]) for note in self.notes if isinstance(note, dict)]
        self.assertEqual(noted, [("anna", "/signin", 401), ("anna", "/signin", 303), ("anna", "/form", 303)])
        self.assertNotIn("password", str(self.notes))


class EncryptedSiteTests(SiteTests):
    """
    The same over HTTPS.
    """

    isEncrypted = True
