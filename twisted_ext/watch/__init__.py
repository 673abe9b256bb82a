"""
Whether what a name stands for has changed, and when to look again. It decides and asks nothing.
"""
