"""
Tests of L{twisted_ext.web.api.site.tokens}.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.web.api.site.tokens import ApiToken, ApiTokens, newSecret, tokenToTOML
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TXT, A
from twisted_ext.zone.update.policy import Policy


def tokensOf(folder: Path, text: str, now: float = 0.0) -> ApiTokens:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(0o600)
    return ApiTokens(str(path), lambda: now)


def entry(**values: object) -> str:
    given = {"name": '"one"', "scope": '"zones"', "secret": f'"sha256${sha256(b"secret").hexdigest()}"', **values}
    return "[[token]]\n" + "".join([f"{key} = {value}\n" for key, value in given.items() if value])


def test_made(tmp_path: Path) -> None:
    """
    What C{txdns api token} writes is found by its secret, and by no other.
    """
    first, second = newSecret(), newSecret()
    assert len({first, second}) == 2
    text = tokenToTOML("lego", "zones", first, ["name _acme-challenge.example.org TXT"], ["192.0.2.0/24", "2001:db8::/32"], "2027-01-31")
    tokens = tokensOf(tmp_path, text + tokenToTOML("other", "read", second, [], [], ""), now=1_800_000_000.0)
    token = tokens.find(first.encode(), "192.0.2.7")
    assert token is not None
    assert (token.name, len(tokens)) == ("lego", 2)
    assert [token.reaches(scope) for scope in ("read", "zones", "admin")] == [True, True, False]
    challenge = nameFromText("_ACME-challenge.example.org")
    assert token.mayChange("192.0.2.7", challenge, TXT)
    assert not token.mayChange("192.0.2.7", challenge, A)
    assert not token.mayChange("192.0.2.7", nameFromText("www.example.org"), TXT)
    seen = [token.sees("192.0.2.7", nameFromText(zone)) for zone in ("example.org", "_acme-challenge.example.org", "org", "example.net")]
    assert seen == [True, True, True, False]
    whole = ApiToken("whole", "zones", b"", Policy.fromTexts(["key whole subtree example.org TXT", "key other zone"]))
    zones = ("org", "example.org", "sub.example.org", "example.net")
    assert [whole.sees("", nameFromText(zone)) for zone in zones] == [True, True, True, False]
    for secret in (b"", b"x", first.encode()[:-1], sha256(first.encode()).hexdigest().encode()):
        assert tokens.find(secret, "192.0.2.7") is None
    other = tokens.find(second.encode(), "198.51.100.1")
    assert other is not None
    assert (other.name, other.reaches("zones")) == ("other", False)


@pytest.mark.parametrize(
    ("client", "now", "isValid"),
    [
        ("192.0.2.7", 0.0, True),
        ("::ffff:192.0.2.7", 0.0, True),
        ("192.0.3.7", 0.0, False),
        ("2001:db8::1", 0.0, False),
        ("", 0.0, False),
        ("192.0.2.7", 1_801_353_599.0, True),
        ("192.0.2.7", 1_801_353_600.0, False),
    ],
)
def test_whereAndWhen(tmp_path: Path, client: str, now: float, isValid: bool) -> None:
    """
    A token is taken from its addresses only, and until the day that it names begins.
    """
    tokens = tokensOf(tmp_path, entry(**{"from": '["192.0.2.0/24"]', "until": "2027-01-31"}), now)
    assert (tokens.find(b"secret", client) is not None) == isValid


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("token = 5", "it has [[token]] tables and nothing else"),
        ("[tokens]", "it has [[token]] tables and nothing else"),
        ("[[token", "Expected"),
        (entry(name='"a b"'), "a token's name is of up to 63 letters"),
        (entry(name=""), "a token's name is of up to 63 letters"),
        (entry(scope='"root"'), "token one: scope is one of read, zones, admin, not 'root'"),
        (entry(secret='"secret"'), "token one: secret is sha256$ and 64 hexadecimal digits"),
        (entry(color='"red"'), "token one: color: there is no such key"),
        (entry(only='"zone"'), "token one: only is a list of texts"),
        (entry(only='["name"]'), "token one: update rule 'key one name': 'name' takes a name"),
        (entry(**{"from": '["192.0.2.1/24"]'}), "token one: 192.0.2.1/24 has host bits set"),
        (entry(until='"soon"'), "token one: until is a date"),
        (entry() + entry(), "token one: there are two of its name or secret"),
        (entry() + entry(name='"two"'), "token two: there are two of its name or secret"),
    ],
)
def test_wrongFiles(tmp_path: Path, text: str, said: str) -> None:
    """
    A file that is not valid is refused, with the token and the reason.
    """
    with pytest.raises(BadDescription) as caught:
        tokensOf(tmp_path, text)
    assert str(caught.value).startswith(f"api-tokens: {tmp_path}/tokens: ")
    assert said in str(caught.value)


def test_fileThatChanges(tmp_path: Path) -> None:
    """
    Tokens that are added count, those that are removed do not, and with a file that cannot be used nobody gets in until it can.
    """
    path = tmp_path / "tokens"
    tokens = tokensOf(tmp_path, entry())
    path.write_text(entry(secret=f'"sha256${sha256(b"another").hexdigest()}"') + "# longer\n")
    assert (tokens.find(b"secret", "192.0.2.1"), tokens.find(b"another", "192.0.2.1") is not None) == (None, True)
    path.write_text("broken")
    for _ in range(2):
        with pytest.raises(BadDescription):
            tokens.find(b"another", "192.0.2.1")
    path.write_text(entry())
    assert tokens.find(b"secret", "192.0.2.1") is not None
    path.chmod(0o640)
    assert tokens.find(b"secret", "192.0.2.1") is not None
    path.chmod(0o644)
    with pytest.raises(BadDescription, match=r"can be read by others \(mode 0644\); write: chmod 0600"):
        tokens.find(b"secret", "192.0.2.1")
    path.unlink()
    with pytest.raises(BadDescription, match="No such file"):
        tokens.find(b"secret", "192.0.2.1")
