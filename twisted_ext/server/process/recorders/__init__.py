"""
Processes beside those that answer queries, which are told what became of them: how they are kept running, and how they are told.
"""
