"""
Operating a running server: what it says of itself, its commands and the control socket, logs, and the audit log.

Sites for browsers and programs are in L{twisted_ext.web}; the watchdog is in L{twisted_ext.server.process}.
"""
