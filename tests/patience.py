"""
How long a test waits for something that comes at once on an idle machine.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["PATIENCE"]

#: Seconds. A test waits for a condition, never for a time, so this is only spent by one that fails, or on a machine that is busy with
#: something else. C{TXDNS_PATIENCE} is for machines that are slower than that.
PATIENCE: Final = float(os.environ.get("TXDNS_PATIENCE", "120"))
