"""
Tests of L{twisted_ext.server.features.otlp}.
"""
