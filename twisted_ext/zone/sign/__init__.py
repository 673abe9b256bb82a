"""
Signs zones.
"""
