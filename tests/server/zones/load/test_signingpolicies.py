"""
Tests of zones that a server signs by policies of the operator.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from time import time

import pytest

from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from tests.zone.sign.zones import builderOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.signingpolicy import SigningPolicySettings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.settings.tomlfile import valuesFromTOML
from twisted_ext.server.zones.images.imagefiles import Built
from twisted_ext.server.zones.load.validate import zonesIn
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import CDS, DNSKEY, NSEC, NSEC3PARAM, RRSIG, ZONEMD
from twisted_ext.zone.check import zonemd
from twisted_ext.zone.sign.job import SignJob
from twisted_ext.zone.sign.policy import RollTimes, SigningPolicy
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version


def policy(text: str) -> SigningPolicy:
    return SigningPolicySettings.fromText(f"p={text}").policy


class PolicyLoadingTests(SignedLoadingCase):
    """
    Tests of loading zones with policies.
    """

    def signedBy(self, text: str, more: str = "", serial: int = 1) -> ZoneSettings:
        zone = self.writeSigned(more, serial=serial)
        zone.signing = policy(text)
        return zone

    def keyRecords(self) -> int:
        """
        Return how many DNSKEY records are served.
        """
        place = self.zones.at(APEX)
        zone = None if place is None else place.served()
        assert zone is not None
        keys = zone.current.top.of(DNSKEY)
        assert keys is not None
        self.assertEqual(keys.ttl, 7200)
        return len(keys.rdatas)

    def test_allOfIt(self) -> None:
        """
        Keys, chain, and the records for the parent and of the digest are those of the policy.
        """
        self.load(self.signedBy("keys=ksk+zsk algorithm=ed25519 denial=nsec3 dnskey-ttl=2h cds zonemd"))
        self.clock.advance(0.1)
        self.assertLessEqual({NSEC3PARAM, CDS, ZONEMD, RRSIG}, self.types())
        self.assertNotIn(NSEC, self.types())
        self.assertEqual(self.keyRecords(), 2)
        self.assertEqual([*{path.name.split("+")[1] for path in self.keys.glob("*.private")}], ["015"])

    def test_otherPolicy(self) -> None:
        """
        If the policy changes, the former version is served until the zone is signed by the new one, with the keys that there are.
        """
        loading = self.load(self.signedBy("dnskey-ttl=2h denial=nsec"))
        self.clock.advance(0.1)
        self.assertIn(NSEC, self.types())
        done = loading.reload([self.signedBy("dnskey-ttl=2h denial=nsec3 keys=ksk+zsk")])
        self.clock.advance(0.1)
        self.assertIn(NSEC, self.types())
        self.compilers.run()
        self.clock.advance(0.1)
        self.successResultOf(done)
        self.assertNotIn(NSEC, self.types())
        self.assertEqual((self.serial(NAME), self.keyRecords()), (2, 1))

    def test_otherPolicyAtARestart(self) -> None:
        """
        The same holds at a restart.
        """
        self.close(self.load(self.signedBy("denial=nsec")))
        self.zones = Zones()
        self.load(self.signedBy("denial=nsec3"), run=False)
        self.assertEqual((self.serial(NAME), NSEC in self.types()), (1, True))
        self.compilers.run()
        self.clock.advance(0.1)
        self.assertEqual((self.serial(NAME), NSEC in self.types()), (2, False))

    def test_changedWhileItIsSigned(self) -> None:
        """
        A version that was made without signatures, or by the former policy, is not served when the zone is to be signed otherwise by now.
        """
        plain = self.writeSigned(sign=False)
        loading = self.load(plain, run=False)
        for zone in (self.signedBy("denial=nsec"), self.signedBy("denial=nsec3")):
            loading.reload([zone])
            self.clock.advance(0.1)
        served: list[set[int]] = []
        loaded = self.publisher.loaded

        def note(apex: bytes, file: str, built: Built) -> None:
            loaded(apex, file, built)
            served.append(self.types())

        self.patch(self.publisher, "loaded", note)
        self.compilers.run()
        self.clock.advance(1)
        self.assertTrue(served)
        self.assertTrue(all(NSEC3PARAM in types for types in served), served)

    def test_lifeOfSignatures(self) -> None:
        """
        A restart takes an image of which each signature has long enough left by the policy that it was signed by.
        """
        zone = self.signedBy("signatures=8d renew=2d")
        self.close(self.load(zone))
        index = self.folder / "state" / "signed" / "index"
        for age, made in ((5 * 86400, 0), (6 * 86400, 1)):
            entry = json.loads(index.read_text())
            index.write_text(json.dumps([*entry[:-1], int(time()) - age]) + "\n")
            self.zones = Zones()
            loading = self.load(zone)
            self.assertEqual(self.compilers.made, made)
            self.close(loading)

    def test_damagedIndex(self) -> None:
        """
        If the index does not say how an image was signed, it is not served, and the zone is signed anew.
        """
        zone = self.writeSigned()
        self.close(self.load(zone))
        index = self.folder / "state" / "signed" / "index"
        entry = json.loads(index.read_text())
        unsigned = entry[:-7]
        for damaged in (unsigned, *[[*unsigned, text, *entry[-6:]] for text in ("x", "[]", '{"renew":1}', 7)], [*entry, 1]):
            index.write_text(json.dumps(damaged) + "\n")
            self.zones = Zones()
            loading = self.load(zone, run=False)
            self.assertEqual(self.types(), set(), damaged)
            self.close(loading)


def test_digestsAreRenewed(tmp_path: Path) -> None:
    """
    A zone that has a ZONEMD record gets a new one: with its signatures and serial, the former digest is wrong.
    """
    lines = ["example.org. 60 SOA ns mail 7 10800 1800 3600 60", "example.org. 60 NS ns.example.com."]
    digest = f"example.org. 60 ZONEMD 7 1 1 {'ab' * 48}"
    for given, expected in ((lines, zonemd.Verdict.ABSENT), ([*lines, digest], zonemd.Verdict.VERIFIED)):
        builder = builderOf([recordFromText(line) for line in given])
        SignJob(str(tmp_path / "keys"), SigningPolicy(), 8, time()).sign(builder)
        assert zonemd.verify(Version(Image(builder.finish()))).verdict is expected


@dataclass(frozen=True)
class Bad:
    """
    A policy that is not valid, and its error.
    """

    text: str
    said: str


_BAD = [
    Bad("registry", "'registry' is not a valid signing-policy: write its name, an equals sign, and settings such as denial=nsec3"),
    Bad("default=cds", "signing-policy default: this name is built in; choose another one"),
    Bad("none=cds", "signing-policy none: this name is built in"),
    Bad("p=denial=nsec4", "signing-policy p: denial takes nsec, nsec3 or nsec3-opt-out, not 'nsec4'"),
    Bad("p=denail=nsec3", "signing-policy p: denail: there is no such key; did you mean denial?"),
    Bad("p=algorithm=rsasha1", "signing-policy p: algorithm takes ecdsap256sha256, ed25519,"),
    Bad("p=signatures=1h", "signing-policy p: signatures takes a time from 1d to 366d, such as 12h, not '1h'"),
    Bad("p=signatures=14d renew=13d", 'made anew after 13d could end before that is done; write renew = "7d" or less'),
    Bad("p=signatures=3d", 'signatures of 3d that are made anew after 7d could end before that is done; write renew = "36h" or less'),
    Bad("p=signatures=3d renew=3d", "made anew after 3d could end"),
    Bad("p=cds=yes", "signing-policy p: cds takes true or false, not 'yes'"),
]


@pytest.mark.parametrize("bad", _BAD, ids=[bad.text for bad in _BAD])
def test_badPolicies(bad: Bad) -> None:
    """
    A policy that is not valid is refused with one line that says what would be.
    """
    with pytest.raises(BadDescription) as caught:
        SigningPolicySettings.fromText(bad.text)
    assert bad.said in str(caught.value) and "\n" not in str(caught.value)


def test_policiesOfAFile(tmp_path: Path) -> None:
    """
    Zones are signed by the policies that their settings name; what is set is written as it was.
    """
    text = """
    sign = "hidden"
    state = "/state"
    [[signing-policy]]
    name = "hidden"
    denial = "nsec3"
    signatures = "30d"
    [[zone]]
    name = "example.org"
    file = "/z"
    sign = "default"
    [[zone]]
    name = "example.com"
    file = "/c"
    """
    settings = Settings(valuesFromTOML(text, str(tmp_path / "s.toml")))
    found = {zone.text: zone.signing for zone in zonesIn(settings)}
    hidden, usual = found["example.com."], found["example.org."]
    assert hidden is not None and usual is not None
    assert (hidden.denial, hidden.validity.signatures, usual.denial) == ("nsec3", 30 * 86400, "nsec")
    (kept,) = settings.signingPolicy
    assert SigningPolicySettings.fromText(kept).toTOML() == '{ name = "hidden", denial = "nsec3", signatures = "30d" }'
    assert SigningPolicy.fromTable(json.loads(hidden.toText())).toText() == hidden.toText()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"zone": [{"name": NAME, "file": "/z", "sign": "hiden"}]},
            "zone example.org.: sign: there is no signing-policy hiden; did you mean hidden?",
        ),
        ({"sign": "registry"}, "sign: there is no signing-policy registry; there are default, hidden"),
        ({"signingPolicy": ["hidden=cds"] * 2}, "signing-policy hidden is given twice; give one of them another name"),
    ],
)
def test_policiesThatAreNotThere(values: dict[str, object], said: str) -> None:
    """
    A name without a policy, and a policy given twice, are errors at the start.
    """
    settings = Settings.of(**{"signingPolicy": ["hidden=denial=nsec3"], "state": "/state", "zone": ["example.com=/c"], **values})
    with pytest.raises(BadDescription, match=said.replace("?", r"\?")):
        zonesIn(settings)


def test_parents() -> None:
    """
    The servers of the parent are no part of how a zone is signed: if there are others, no signature is made anew.
    """
    given = policy("roll parental-agents=192.0.2.1,[2001:db8::1]:5353,tls://192.0.2.1#ns1.example parent-check=10m")
    assert given.agents == ("192.0.2.1", "[2001:db8::1]:5353", "tls://192.0.2.1#ns1.example")
    assert (given.check, policy("roll").check) == (600, 3600)
    assert given.toText() == policy("roll").toText()
    table = {"name": "p", "roll": True, "parental-agents": ["192.0.2.1"]}
    assert SigningPolicySettings.fromTable(table).policy.agents == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parental-agents=192.0.2.1", "they are asked for keys that are replaced by the policy; write roll = true as well"),
        ("roll parental-agents=" + ",".join(["192.0.2.1"] * 65), "there are 65 servers; 64 or fewer are right"),
        ("roll parental-agents=ns1.example", "'ns1.example' is not an IP address"),
    ],
)
def test_wrongParents(text: str, said: str) -> None:
    """
    Servers that cannot be asked are refused.
    """
    with pytest.raises(BadDescription) as fault:
        policy(text)
    assert said in str(fault.value) and "parental-agents" in str(fault.value)


def test_parentWithKey() -> None:
    """
    A TSIG key is refused.
    """
    with pytest.raises(BadDescription, match="a question for DS records takes no TSIG key; write the address alone"):
        SigningPolicySettings.fromTable({"name": "p", "roll": True, "parental-agents": ["192.0.2.1 key=k"]})


def test_rolls() -> None:
    """
    Keys are replaced where the policy says so, with the times that it has; in what is compared of policies, it is a part of its own.
    """
    given = policy("roll keys=ksk+zsk ksk-lifetime=365d zsk-lifetime=90d propagation=5m parent-propagation=2h parent-ds-ttl=2d")
    assert given.rolls == RollTimes(365 * 86_400, 90 * 86_400, 300, 7200, 2 * 86_400)
    assert SigningPolicy.fromTable(json.loads(given.toText())).rolls == given.rolls
    assert policy("cds").rolls is None and policy("roll").rolls == RollTimes()
    assert given.toText() != policy("keys=ksk+zsk").toText() and given.signsAs(policy("keys=ksk+zsk"))
    assert not given.signsAs(policy("roll"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ksk-lifetime=365d", "p: ksk-lifetime is for keys that are replaced by the policy; write roll = true as well"),
        ("roll zsk-lifetime=90d", 'p: zsk-lifetime is for a key that this policy does not have; write keys = "ksk+zsk" as well'),
        (
            "roll ksk-lifetime=1d",
            "p: a key of 1d would be replaced before its predecessor is gone: that takes twice 2h for DNSKEY records, and 25h for what "
            'resolvers have of the rest, with TTLs of a day; write ksk-lifetime = "2d" or more',
        ),
        ("insecure", "p: insecure is for keys that live by the policy; write roll = true as well"),
        ("gradual", "p: gradual is for keys that are replaced by the policy; write roll = true as well"),
        ("roll keys=ksk+zsk zsk-lifetime=10d dnskey-ttl=7d", 'write zsk-lifetime = "16d" or more'),
        ("roll gradual renew=5d keys=ksk+zsk zsk-lifetime=6d", 'write zsk-lifetime = "7d" or more'),
    ],
)
def test_lifetimes(text: str, said: str) -> None:
    """
    A lifetime that is too short for a roll is refused with the sum, and one that is for no key.
    """
    with pytest.raises(BadDescription) as raised:
        policy(text)
    assert said in str(raised.value)
