"""
A process that returns the outcomes of inputs, with the package from source or compiled.

    python -m tests.comparison.process source|compiled FOLDER

Each line of its input is JSON: a kind, and inputs in hexadecimal. For each line, it writes one with the outcomes.
"""

from __future__ import annotations

import json
import os
import sys

__all__ = ["main"]


def main() -> None:
    _, form, folder = sys.argv
    sys.path.insert(0, folder)
    os.environ["TXDNS_PURE"] = "1" if form == "source" else ""
    # The package is imported once its form is decided.
    from tests.comparison.outcomes import OUTCOMES
    from twisted_ext.wire import names

    found = "source" if names.__file__.endswith(".py") else "compiled"
    if found != form:
        sys.exit(f"{names.__file__} is {found}, not {form}")
    for line in sys.stdin:
        kind, inputs = json.loads(line)
        outcome = OUTCOMES[kind]
        sys.stdout.write(json.dumps([outcome(bytes.fromhex(each)) for each in inputs]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
