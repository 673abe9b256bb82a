"""
Where requests come in: datagrams and streams.
"""
