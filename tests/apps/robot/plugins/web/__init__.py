"""
Tests of the plugins that fetch documents from the web.
"""
