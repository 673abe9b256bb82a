"""
Helpers for look-ups: deadlines, explanations, streams of look-ups, zone transfers.
"""
