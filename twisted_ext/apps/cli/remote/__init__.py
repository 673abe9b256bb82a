"""
Commands for zones on other servers: transfer, notify, update.
"""
