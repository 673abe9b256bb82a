"""
Hooks in force: functions of an application are asked, waited for, and do what they decide.
"""
