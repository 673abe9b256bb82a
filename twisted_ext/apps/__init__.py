"""
Applications: the command line, the twistd plugin, the shell and the status page.
"""
