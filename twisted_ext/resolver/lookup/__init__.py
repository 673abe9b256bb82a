"""
What every look-up has in common: deadlines, explanations, streams of look-ups, zone transfers.
"""
