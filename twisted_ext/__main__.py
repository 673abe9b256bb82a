"""
Run C{txdns} as C{python -m twisted_ext}, for systems where C{txdns} is not on the path.
"""

from __future__ import annotations

import sys

from twisted_ext.apps.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
