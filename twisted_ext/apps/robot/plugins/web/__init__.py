"""
Plugins that fetch documents from the web.
"""
