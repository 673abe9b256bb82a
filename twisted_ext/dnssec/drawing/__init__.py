"""
Show chains of trust: as lines of text, as SVG, and as a page.
"""
