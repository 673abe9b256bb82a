"""
The C{txdns} command.
"""
