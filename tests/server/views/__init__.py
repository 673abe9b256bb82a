"""
Tests of views: classes of clients with settings of their own.
"""
