"""
What belongs to look-ups of every kind: whom to ask and for how long, aliases and rules to follow, and how an answer came about.
"""
