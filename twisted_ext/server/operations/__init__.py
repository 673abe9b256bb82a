"""
Operating a running server: status, control, logs, watchdog.
"""
