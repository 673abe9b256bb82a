"""
What is in L{twisted_ext.resolver.aliases}.
"""

from __future__ import annotations

from twisted_ext.resolver.aliases import Ask, askedOn

__all__ = ["Ask", "askedOn"]
