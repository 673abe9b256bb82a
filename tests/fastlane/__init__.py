"""
Tests of L{twisted_ext.fastlane}.
"""
