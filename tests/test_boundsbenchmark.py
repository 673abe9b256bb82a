"""
Tests of the benchmarks of bounds and of scaling: their tables, their picture, and that the pages show what was recorded.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.authorities import KNOT, NSD, authorities, zoneLines
from benchmarks.bounds import __main__ as measuring
from benchmarks.bounds import table
from benchmarks.scaling import __main__ as growing
from benchmarks.scaling import report as growth
from benchmarks.scaling.curves import svg, ticks
from benchmarks.served import replaced
from benchmarks.servers import OURS, UNBOUND, Place
from benchmarks.variants import COMPILED, PURE, Variant, compiledPython, variants
from benchmarks.verdicts import Report, block
from tests.test_architecture import ROOT

__all__: list[str] = []


def _report() -> Report:
    report = Report("2026-11-22", "2 cores", 2, 1, 100_000)
    for name, values in {NSD: (4.0, 5.0), OURS: (6.0, 6.0), COMPILED: (4.0, 4.5)}.items():
        for value in values:
            report.keep("zone udp", name, value=value)
    report.keep("small", OURS, value=2.0)
    report.keep("small", COMPILED, value=1.0)
    report.keep("small", "twisted.names", value=5.0)
    report.keep("small", f"twisted.names, {COMPILED}", value=8.0)
    report.keep("axfr", OURS, value=300_000.0)
    return report


def test_eachLineHasItsBound() -> None:
    """
    A line is judged by the ratio of the same round, by that of the same process if there is one, or by its figure.
    """
    rows = {row[0]: row[1:] for row in table.rowsOf(_report())}
    assert rows["zone, hit by UDP, CPU"] == ["6.00 µs", "4.25 µs", "NSD 4.50", "1.35", "0.95", "≤ 1 × NSD", "within"]
    assert rows["small answer parsed"][4:] == ["0.12", "≤ 0.25 × twisted.names", "within"]
    assert rows["AXFR in, records a second of one core"][-3:] == ["", "≥ 1,000,000", "not measured"]
    assert len(rows) == 4


def test_earlierStateIsComparedWith() -> None:
    """
    The interpreted package is compared with an earlier state of it if that was measured.
    """
    report = _report()
    assert "before" not in table.block(report)
    for value in (5.0, 5.0):
        report.keep("zone udp", table.BASE, value=value)
    report.keep("axfr", table.BASE, value=330_000.0)
    assert "1.10 to 1.20, the most for: zone, hit by UDP, CPU" in " ".join(table.block(report).split())


def test_everyUnitIsMeasuredByAMethod() -> None:
    """
    Each unit has a method, and each line a unit.
    """
    assert [unit for unit in table.UNITS if not callable(getattr(measuring.Bounds, unit, None))] == []
    assert len({line.key for line in table.LINES}) == len(table.LINES)


def test_pagesShowTheBoundsRecorded() -> None:
    """
    The page of figures and the README show the recorded table; none of it is written by hand.
    """
    report = Report.fromJSON(table.RECORD.read_text("utf-8"))
    for path, shown in ((ROOT / "docs" / "measured.rst", table.block(report)), (ROOT / "README.rst", table.summary(report))):
        page = path.read_text("utf-8")
        assert replaced(page, shown, "bounds") == page


def test_pageShowsTheScalingRecorded() -> None:
    """
    The page of figures and the picture show the recorded figures.
    """
    report = growth.Scaling.fromJSON(growth.RECORD.read_text("utf-8"))
    page = (ROOT / "docs" / "measured.rst").read_text("utf-8")
    assert replaced(page, growth.block(report), "scaling") == page
    assert (ROOT / "docs" / "scaling.svg").read_text("utf-8") == svg(report)
    assert growth.Scaling.fromJSON(report.toJSON()) == report


def test_pictureShowsEveryFigure() -> None:
    """
    The picture is XML with one point for each figure, inside its borders, and colors for light and dark pages.
    """
    report = growth.Scaling("2026-11-22", "2 cores", 1, 1)
    for size, value in ((1000, 6.0), (10_000_000, 40.0)):
        report.keep(f"{growth.CACHE}, {growth.SPREAD}", PURE, size, value)
        report.keep(f"{growth.CACHE}, {growth.SPREAD}", COMPILED, size, value / 2)
    report.keep(growth.WORKERS, PURE, 2, 6.0)
    drawn = svg(report)
    picture = ElementTree.fromstring(drawn)
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    points = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in picture.iter() if each.tag.endswith("circle")]
    assert len(points) == 5
    assert all(0 < x < width and 0 < y < height for x, y in points)
    assert "pure, 10,000,000 cached names: 40.0 µs" in drawn
    assert "body[data-theme=dark] .scaling{" in drawn
    assert "prefers-color-scheme:dark" in drawn


@pytest.mark.parametrize("most", [0.4, 3.0, 7.9, 44.0, 99.0, 240.0, 1234.0])
def test_gridIsRound(most: float) -> None:
    """
    The grid has a few heights in steps of 1, 2 or 5, and the highest is above all figures.
    """
    grid = ticks(most)
    assert grid[0] == 0
    assert grid[-1] >= most
    assert 2 <= len(grid) <= 9
    assert re.fullmatch("[125]0*", str(grid[1]))


def test_sizesThatDoNotFitAreLeftOut() -> None:
    """
    A size is measured only if the machine has memory for it.
    """
    assert growing.room(10_000_000, growth.CACHE, 8 << 30)
    assert not growing.room(10_000_000, growth.CACHE, 4 << 30)


def test_interruptedSizesAreMeasuredAgain() -> None:
    """
    A size counts as measured if every build has it.
    """
    report = growth.Scaling("", "", 1, 1)
    curve = f"{growth.CACHE}, {growth.SPREAD}"
    report.keep(curve, PURE, 1000, 1.0)
    report.keep(curve, COMPILED, 1000, 1.0)
    report.keep(curve, PURE, 10_000, 1.0)
    assert growing._missing(report, curve, [1000, 10_000, 100_000], [PURE, COMPILED]) == [10_000, 100_000]
    report.forget(curve, 1000)
    assert growing._missing(report, curve, [1000], [PURE]) == [1000]


def test_longestCollectionCounts() -> None:
    """
    The longest collection that the interpreter began is compared with the bound; a full one is made in quiet seconds only.
    """
    report = growth.Scaling("", "", 1, 1, pauses={PURE: {"0": [1.0, 3.0], "1": [4.0], "forced": [20.0]}}, full=1000)
    assert report.longest(PURE) == 4.0
    assert report.longest(COMPILED) == 0.0
    assert "3 collections, the longest 4.0 ms; one of all objects 20.0 ms" in " ".join(growth.block(report).split())


def test_serversOfAZone(tmp_path: Path) -> None:
    """
    Each server is started with the files of its zones; ours takes several as a folder.
    """
    zones = {f"z{number}.test": tmp_path / f"z{number}.test.zone" for number in range(2)}
    said = {}
    for kind in authorities(zones):
        words = kind.command(Place("program", tmp_path, 5300, ("", 0)))
        said[kind.name] = " ".join(words) + (tmp_path / "server.conf").read_text() if kind.name in (NSD, KNOT) else " ".join(words)
    assert all(str(path) in said[name] for name in (NSD, KNOT) for path in zones.values())
    assert said[OURS].endswith(f"--zones {tmp_path}")
    assert said[COMPILED].partition(" ")[2] == said[OURS].partition(" ")[2]
    text = "".join(zoneLines(25_000))
    assert text.count(" A 10.") == 25_000
    assert "\nh258 A 10.0.1.2\n" in text


def test_compiledPackageIsOptional(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without a compiled package only this checkout is measured; an interpreter that has none is refused.
    """
    monkeypatch.setenv("TXDNS_COMPILED", "/nonexistent/python")
    assert compiledPython() == "/nonexistent/python"
    assert variants() == [Variant(PURE, sys.executable)]
    monkeypatch.setenv("TXDNS_COMPILED", sys.executable)
    monkeypatch.setenv("TXDNS_PURE", "1")
    with pytest.raises(ValueError, match="not compiled; run make compiled"):
        variants()


def test_modulesOfBenchmarksRunWithAnotherPackage(tmp_path: Path) -> None:
    """
    The variables for another build find its package, and benchmarks and tests of this checkout.
    """
    with Variant(COMPILED, sys.executable, str(tmp_path)).environment() as environment:
        links, folder, *rest = environment["PYTHONPATH"].split(":")
        assert (Path(links) / "benchmarks" / "bounds").is_dir()
        assert not (Path(links) / "twisted_ext").exists()
        assert folder == str(tmp_path)
        assert rest
    assert not Path(links).exists()


def test_bothBuildsHaveColumns() -> None:
    """
    The table of the forwarding server has columns for both builds if both were measured.
    """
    report = Report("2026-11-22", "2 cores", 1, 2, 100_000, {UNBOUND: "1", OURS: "2", COMPILED: "2"})
    for name, cpu in ((UNBOUND, 4.0), (OURS, 6.0), (COMPILED, 4.0)):
        report.keep("udp", name, cpu=cpu)
    report.keep("workers", "one process", cpu=5.0)
    report.keep("workers", "two workers", cpu=6.0)
    report.keep("workers", f"one process, {COMPILED}", cpu=4.0)
    report.keep("workers", f"two workers, {COMPILED}", cpu=4.0)
    lines = [line.split() for line in block(report).splitlines()]
    assert ["server", "pure", "compiled", "peers", "ratios"] in lines
    assert "hit by UDP, CPU 6.0 µs 4.0 µs Unbound 4.0 1.50, 1.00".split() in lines
    assert "hit of two workers at once, CPU 6.0 µs 4.0 µs one process of ours 5.0, 4.0 1.20, 1.00".split() in lines
