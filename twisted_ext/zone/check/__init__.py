"""
Finding mistakes in zones.
"""
