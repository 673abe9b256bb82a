"""
Sphinx configuration of the narrative documentation; pydoctor builds the API pages.
"""

from __future__ import annotations

from importlib.metadata import version as installedVersion
from pathlib import Path

project = "twisted_ext"
author = "The twisted_ext authors"
copyright = "2026, the twisted_ext authors"
release = version = installedVersion("twisted-ext")

extensions = ["sphinx.ext.intersphinx"]
exclude_patterns = ["_build", "listings"]
# Report broken references as errors.
nitpicky = True
highlight_language = "python3"

html_theme = "alabaster"
html_title = f"twisted_ext {release}"
html_theme_options = {"description": "A DNS engine for Twisted", "fixed_sidebar": True}

# Inventories are generated from the installed packages, without the network.
_build = Path(__file__).parent / "_build"
intersphinx_mapping = {
    name: (address, str(inventory))
    for name, address, inventory in (
        ("api", "api", _build / "api" / "objects.inv"),
        ("python", "https://docs.python.org/3", _build / "inventories" / "python.inv"),
        ("twisted", "https://docs.twisted.org/en/stable/api", _build / "inventories" / "twisted.inv"),
    )
    if inventory.exists()
}
