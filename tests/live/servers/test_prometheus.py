"""
Tests of the files in C{contrib} for Prometheus and Grafana: promtool accepts the rules, and a Prometheus that scrapes a server has data for
every panel of the dashboard.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.live.twistds import Twistd, wait
from tests.patience import PATIENCE
from tests.peers import freePort, peer
from tests.test_architecture import ROOT
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figures import Figures
from twisted_ext.server.features.order import declaredFigures

RULES: Final = ROOT / "contrib" / "prometheus"
DASHBOARD: Final = ROOT / "contrib" / "grafana" / "txdns.json"

#: Panels without data for a server that forwards and has a block list, as long as nothing goes wrong.
_QUIET: Final = frozenset({"Failures of upstreams", "DNSSEC validation"})

_METRIC: Final = re.compile(r"\b(txdns_\w+|process_\w+)\b")


def promtool(*words: str) -> str:
    """
    Return what C{promtool} prints.
    """
    ended = subprocess.run([str(peer("promtool")), *words], cwd=RULES, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def panels() -> Iterator[tuple[str, str]]:
    """
    Yield each panel of the dashboard that shows data, with one of its queries, once for each query.
    """
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def filledIn(expression: str) -> str:
    """
    Return a query with values for the variables of the dashboard.
    """
    for variable, value in (("$job", ".+"), ("$instance", ".+"), ("$__rate_interval", "1m")):
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


def test_rulesAreValidAndRaiseTheirAlerts() -> None:
    """
    The example configuration and the rules are valid. Each alert is raised by the figures that it is about, and by none of a sound server.
    """
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")
    assert "SUCCESS" in promtool("test", "rules", "txdns.test.yml")
    alerts = re.findall(r"- alert: (\w+)", (RULES / "txdns.rules.yml").read_text("utf-8"))
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts:", (RULES / "txdns.test.yml").read_text("utf-8"))
    assert sorted(set(tested)) == sorted(alerts)


def test_alertsNameCommandsThatExist() -> None:
    """
    Alerts name commands that exist.
    """
    descriptions = re.findall("description: (.*)", (RULES / "txdns.rules.yml").read_text("utf-8"))
    named = re.findall(r"\btxdns (\w+) ?(\w*)", "\n".join(descriptions))
    assert len(named) >= 5
    assert {word for word, _ in named} <= {command.word for command in COMMANDS}
    assert {second for word, second in named if word == "control"} <= {"status", "upstreams", "zones"}


def test_metricsOfRulesAndDashboardExist() -> None:
    """
    Rules and dashboard use metrics that the server documents.
    """
    known = set(re.findall(r'"(txdns_\w+|process_\w+)"', (ROOT / "twisted_ext" / "metrics" / "exposition.py").read_text("utf-8")))
    known |= set(re.findall(r"# TYPE (\w+)", exposition(Figures(), version="1", started=0.0)))
    known |= {each.metric for each in declaredFigures()}
    used = {name for _, expression in panels() for name in _METRIC.findall(expression)}
    used |= set(_METRIC.findall((RULES / "txdns.rules.yml").read_text("utf-8"))) - {"txdns_queries", "txdns_hits", "txdns_failures"}
    assert used and {re.sub(r"_bucket$", "", name) for name in used} <= known


def test_everyPanelHasData(tmp_path: Path) -> None:
    """
    Prometheus, with the example configuration, scrapes a server, accepts the rules, and has data for each panel of the dashboard.
    """
    page, upstream, port = (freePort("127.0.0.1") for _ in range(3))
    (tmp_path / "above").mkdir()
    (tmp_path / "below").mkdir()
    configuration = (RULES / "prometheus.yml").read_text("utf-8")
    assert "127.0.0.1:9153" in configuration and "15s" in configuration
    (tmp_path / "prometheus.yml").write_text(configuration.replace("127.0.0.1:9153", f"127.0.0.1:{page}").replace("15s", "1s"))
    (tmp_path / "txdns.rules.yml").write_bytes((RULES / "txdns.rules.yml").read_bytes())
    command = [str(peer("prometheus")), f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]

    def ask(path: str, **words: str) -> dict[str, object]:
        with urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urlencode(words)}", timeout=PATIENCE) as response:
            answer: dict[str, object] = json.loads(response.read())["data"]
        return answer

    def result(expression: str) -> object:
        return ask("query", query=expression)["result"]

    def ready() -> bool:
        try:
            return bool(result("up == 1"))
        except (URLError, OSError):
            return False

    above = Twistd(tmp_path / "above", "--local", "www.example.org A 192.0.2.1", "--no-recursive", port=upstream)
    (tmp_path / "ads.txt").write_text("ads.example.org\n")
    settings = ("--upstream", f"udp:127.0.0.1:{upstream}", "--block-list", str(tmp_path / "ads.txt"))
    below = Twistd(tmp_path / "below", "--http", f"127.0.0.1:{page}", *settings)
    with above, below as server, subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as prometheus:
        try:
            wait(ready, server)
            wait(lambda: server.ask() == ["192.0.2.1"] and bool(result('rate(txdns_queries_total{transport="udp"}[1m]) > 0')), server)
            wait(lambda: bool(result("instance:txdns_queries:rate5m > 0")), server)
            empty = {title for title, expression in panels() if not result(filledIn(expression))}
            filled = {title for title, expression in panels() if result(filledIn(expression))}
            assert empty - filled <= _QUIET
            assert {panel for panel, _ in panels()} - filled <= _QUIET
        finally:
            prometheus.terminate()
            prometheus.wait(PATIENCE)
