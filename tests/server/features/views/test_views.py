"""
Tests of L{twisted_ext.server.features.views.keeper}.
"""

from __future__ import annotations

from typing import cast

import pytest

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.views.keeper import Views

_CHILDREN = {"name": "children", "clients": ["192.168.1.40/30", "192.168.1.0/24"], "block": ["games.example"], "block-reply": "nxdomain"}


def test_allViews() -> None:
    """
    Views are shown in their order, with their clients and what they have otherwise than all.
    """
    views = Views(Settings.of(view=[_CHILDREN, "guests=any"]))
    said = views.all()
    assert said["said"] == [
        "children: 192.168.1.40/30, 192.168.1.0/24",
        '  block = ["games.example."]',
        "guests: any",
    ]
    assert said["views"] == [
        {
            "view": "children",
            "clients": ["192.168.1.40/30", "192.168.1.0/24"],
            "own": {"block": '["games.example."]'},
            "zones": [],
            "cacheSharedWith": None,
            "paused": False,
        },
        {"view": "guests", "clients": ["any"], "own": {}, "zones": [], "cacheSharedWith": None, "paused": False},
    ]


def test_zonesOfViews() -> None:
    """
    The zones that a view has of its own are named, of many the first.
    """
    names = [f"z{number}.example." for number in range(7)]
    zones = [{"name": name, "file": "/a", "view": "children"} for name in names]
    said = Views(Settings.of(view=[_CHILDREN, "guests=any"], zone=[*zones, {"name": "all.example", "file": "/a"}])).all()
    line = "  zones of its own: z0.example., z1.example., z2.example., z3.example., z4.example. and 2 more"
    assert line in cast("list[str]", said["said"])
    assert [each["zones"] for each in cast("list[dict[str, object]]", said["views"])] == [names, []]


def test_cachesOfViews() -> None:
    """
    Views whose upstreams are not those of all have caches of their own, or in common.
    """
    lab = {"name": "lab", "clients": ["192.0.2.1"], "upstream": ["192.0.2.53"]}
    twin = {"name": "twin", "clients": ["192.0.2.2"], "upstream": ["192.0.2.53"], "block": ["ads.example"]}
    apart = {"name": "apart", "clients": ["192.0.2.3"], "max-ttl": 60}
    said = Views(Settings.of(view=[lab, twin, apart])).all()
    assert said["said"] == [
        "lab: 192.0.2.1/32",
        '  upstream = ["udp:192.0.2.53:53"]',
        "  its cache is shared with twin",
        "twin: 192.0.2.2/32",
        '  upstream = ["udp:192.0.2.53:53"]',
        '  block = ["ads.example."]',
        "  its cache is shared with lab",
        "apart: 192.0.2.3/32",
        "  max-ttl = 60",
        "  it has a cache of its own",
    ]


def test_viewOfClient() -> None:
    """
    For a client its view is named, and which of the view's prefixes have it; also after a reload.
    """
    views = Views(Settings.of(view=[_CHILDREN]))
    assert views.of("192.168.1.41")["said"] == ["192.168.1.41 is in view children, which has 192.168.1.40/30, 192.168.1.0/24"]
    assert views.of("192.168.1.7")["said"] == ["192.168.1.7 is in view children, which has 192.168.1.0/24"]
    assert views.of("2001:db8::1") == {"client": "2001:db8::1", "view": None, "said": ["2001:db8::1 is in no view"]}
    views.apply(Settings.of())
    assert views.of("192.168.1.41")["view"] is None
    assert views.all() == {"views": [], "said": ["there are no views: all clients are answered alike"]}


def test_pausedViews() -> None:
    """
    Views in which blocking is paused are shown so, and clients in no view.
    """
    views = Views(Settings.of(view=[_CHILDREN, "guests=any"]))
    views.seen({"blocking": {"table": None, "paused": ["", "children"]}})
    assert views.all()["said"] == [
        "children: 192.168.1.40/30, 192.168.1.0/24",
        '  block = ["games.example."]',
        "  blocking is paused",
        "guests: any",
        "blocking is paused for clients in no view",
    ]
    assert str(views.of("192.168.1.7")["said"]).endswith("'blocking is paused for it']")
    views.seen({})
    assert "blocking is paused" not in str(views.all())


@pytest.mark.parametrize("text", ["children", "192.168.1", "192.168.1.0/24", "\x1b[2J"])
def test_noAddress(text: str) -> None:
    """
    What is no address is an error that says what one is.
    """
    with pytest.raises(CallerFault, match="is not an address; write 192.0.2.1 or 2001:db8::1"):
        Views(Settings.of(view=[_CHILDREN])).of(text)
