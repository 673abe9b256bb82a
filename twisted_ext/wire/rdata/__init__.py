"""
Record types: one declaration per type defines parsing, building, text input, text output and canonical form.
"""
