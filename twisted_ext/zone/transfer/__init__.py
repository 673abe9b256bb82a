"""
Zones in messages: AXFR (RFC 5936) and IXFR (RFC 1995), and when a secondary refreshes. No I/O.
"""
