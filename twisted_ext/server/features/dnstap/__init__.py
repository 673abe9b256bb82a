"""
dnstap: what passes as messages, for the tools of others.
"""
