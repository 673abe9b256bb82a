"""
The console: what an operator does with a server in a browser.

What only shows, without signing in, is in L{twisted_ext.web.status}.
"""
