"""
Hooks: functions of an application that decide what the server answers.
"""
