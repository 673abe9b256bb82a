"""
The console: what an operator does with a server in a browser.
"""
