"""
Zone transfers: the messages of AXFR (RFC 5936) and IXFR (RFC 1995), and the refresh state of secondaries. No I/O.
"""
