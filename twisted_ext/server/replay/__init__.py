"""
Says what other settings would have decided about the queries of a history.
"""
