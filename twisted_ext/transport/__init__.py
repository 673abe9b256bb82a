"""
How a query travels: datagrams and streams, matching, pools, deadlines.
"""
