"""
Make the database.
"""

import sqlite3

with sqlite3.connect("clients.sqlite") as database:
    database.execute("CREATE TABLE infected (client TEXT PRIMARY KEY)")
    database.execute("CREATE TABLE forbidden (client TEXT, name TEXT, reason TEXT, PRIMARY KEY (client, name))")
    database.execute("INSERT INTO infected VALUES ('127.0.0.2')")
    database.execute("INSERT INTO forbidden VALUES ('127.0.0.3', 'www.shop.example', 'ask the parents')")
