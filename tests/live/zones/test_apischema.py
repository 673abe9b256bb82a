"""
Live tests of the description of the API, by schemathesis: what it promises is so, whatever a client sends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.live.zones.test_api import Api
from tests.live.zones.test_updates import found
from twisted_ext.wire.rrtypes import A

#: Without it, what is sent would be about zones that there are not. A request without If-Match is answered with 428 (RFC 6585).
_CONFIG = """
[[operations]]
include-path-regex = "/rrsets/|/changes"
[operations.parameters]
zone = "example.org"
"path.owner" = "{owner}"
"path.type" = "A"
"If-Match" = "*"
[checks.missing_required_header]
expected-statuses = [428]
"""

#: A text may be no name, which no schema can say; and wrong tokens are turned away, so that 429 is right as well.
_UNCHECKED = "positive_data_acceptance,ignored_auth"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    made.begin()
    yield made
    made.twistd.stop()


def checked(api: Api, examples: int, seed: int, owner: str) -> None:
    """
    Have requests sent, and each reply compared with what the description says.
    """
    config = api.folder / "schemathesis.toml"
    config.write_text(_CONFIG.format(owner=owner))
    url = f"http://127.0.0.1:{api.port}/api/2/openapi.json"
    words = ["--config-file", str(config), "run", url, "-H", f"X-API-Key: {api.secrets['boss']}", "--exclude-checks", _UNCHECKED]
    words += ["--max-examples", str(examples), "--seed", str(seed), "--no-color", "--generation-database", "none"]
    environment = {**os.environ, "HOME": str(api.folder), "no_proxy": "*"}
    command = [sys.executable, "-m", "schemathesis.cli", *words]
    done = subprocess.run(command, cwd=api.folder, env=environment, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in api.twistd.text()


def test_schemathesis(api: Api) -> None:
    """
    No reply is another one than the description says, and none says that the server has failed.
    """
    if find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed")
    checked(api, 5, 1, "new")
    assert found(api.server, "www.example.org", A) == {"192.0.2.80"}


@pytest.mark.long
@pytest.mark.parametrize("part", range(5))
def test_schemathesisForTenMinutes(api: Api, part: int) -> None:
    """
    The same for ten minutes, in five parts.
    """
    end = time.monotonic() + 120
    seed = part * 1000
    while time.monotonic() < end:
        seed += 1
        checked(api, 50, seed, ("new", "www", "ns1", "@")[seed % 4])
