"""
Show chains of trust, as lines of text, as SVG, and as a page; and the colors of text for terminals.
"""
