"""
The table of work and its bounds: what the package takes, interpreted and compiled, beside other servers and libraries in the same run.
"""
