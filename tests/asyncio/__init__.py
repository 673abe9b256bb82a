"""
Tests of L{twisted_ext.asyncio}.
"""
