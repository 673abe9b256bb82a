"""
OpenTelemetry: look-ups as spans, for the tools of others.
"""
