"""
The lives of a zone's keys: when each of their records comes, what it is used for meanwhile, and when it goes.
"""
