"""
Negative trust anchors that operators add and remove while the server runs.
"""
