"""
The sites of a running server: status page, console, API, and the page that tells how devices use it.

They know the server by its operations and by the door for edits of its zones, and read the table of these; HTTP for queries is with the
listeners.
"""
