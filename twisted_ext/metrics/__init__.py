"""
What is counted while serving, and how it is told to those who watch. Nothing here knows of a reactor, a clock or a socket.
"""
