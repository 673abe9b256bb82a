"""
Tests of L{twisted_ext.apps.robot.program}.
"""
