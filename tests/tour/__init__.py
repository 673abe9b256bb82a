"""
The guided tour, typed at a terminal.
"""
