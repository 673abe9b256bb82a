"""
Configurations of Pi-hole.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

__all__ = ["SETTINGS", "gravity"]

#: As Pi-hole writes it, but for most comments and keys.
SETTINGS = """\
# Pi-hole configuration file (v6.0)
# Encoding: UTF-8
[dns]
  # Upstream DNS Servers to be used by Pi-hole
  upstreams = [
    "9.9.9.9",
    "127.0.0.1#5335"
  ] ### CHANGED, default = []
  CNAMEdeepInspect = true
  blockTTL = 30 ### CHANGED, default = 2
  hosts = [
    "192.168.1.10 nas nas.home.example",
    "2001:db8::10 nas"
  ] ### CHANGED, default = []
  domainNeeded = true ### CHANGED, default = false
  expandHosts = true ### CHANGED, default = false
  domain = "home.example" ### CHANGED, default = "lan"
  bogusPriv = true
  dnssec = true ### CHANGED, default = false
  interface = "eth0" ### CHANGED, default = ""
  listeningMode = "LOCAL"
  queryLogging = true
  cnameRecords = [ "files.home.example,nas.home.example" ] ### CHANGED, default = []
  port = 5301 ### CHANGED, default = 53
  revServers = [
    "true,192.168.7.0/24,192.168.7.1,lab.example",
    "false,192.168.8.0/24,192.168.8.1,off.example"
  ] ### CHANGED, default = []
  [dns.cache]
    size = 20000 ### CHANGED, default = 10000
  [dns.blocking]
    active = true
    mode = "NULL"
  [dns.specialDomains]
    mozillaCanary = true
    iCloudPrivateRelay = false ### CHANGED, default = true
  [dns.rateLimit]
    count = 0 ### CHANGED, default = 1000
[dhcp]
  active = true ### CHANGED, default = false
[webserver]
  port = "8080" ### CHANGED, default = "80"
[misc]
  dnsmasq_lines = [ "address=/printer.home.example/192.168.1.20" ] ### CHANGED, default = []
[later]
  unheard = 3 ### CHANGED, default = 0
"""

_SCHEMA = """
CREATE TABLE "group" (id INTEGER PRIMARY KEY, enabled BOOLEAN NOT NULL DEFAULT 1, name TEXT UNIQUE NOT NULL);
CREATE TABLE domainlist (id INTEGER PRIMARY KEY, type INTEGER NOT NULL, domain TEXT NOT NULL, enabled BOOLEAN NOT NULL DEFAULT 1);
CREATE TABLE adlist (id INTEGER PRIMARY KEY, address TEXT NOT NULL, enabled BOOLEAN NOT NULL DEFAULT 1, type INTEGER NOT NULL DEFAULT 0);
CREATE TABLE client (id INTEGER PRIMARY KEY, ip TEXT NOT NULL);
CREATE TABLE adlist_by_group (adlist_id INTEGER, group_id INTEGER);
CREATE TABLE domainlist_by_group (domainlist_id INTEGER, group_id INTEGER);
CREATE TABLE client_by_group (client_id INTEGER, group_id INTEGER);
"""


def gravity(path: Path, groups: Iterable[str] = (), *, old: bool = False, **rows: Iterable[tuple[object, ...]]) -> None:
    """
    Write a database.

    @param groups: the names of groups besides the first one, from the number 1; one that begins with a minus sign is switched off.
    @param old: whether it is of a version without lists of exceptions.
    @param rows: of C{adlist}, C{domainlist} and C{client}: what is in their columns but for the number and whether they are switched on,
        and the numbers of their groups.
    """
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_SCHEMA)
        database.execute("INSERT INTO \"group\" VALUES (0, 1, 'Default')")
        for number, name in enumerate(groups, 1):
            database.execute('INSERT INTO "group" VALUES (?, ?, ?)', (number, not name.startswith("-"), name.removeprefix("-")))
        columns = {"adlist": "address, type", "domainlist": "type, domain", "client": "ip"}
        for table, values in rows.items():
            for number, (*row, numbers) in enumerate(values, 1):
                marks = ", ".join("?" * (len(row) + 1))
                database.execute(f"INSERT INTO {table} (id, {columns[table]}) VALUES ({marks})", (number, *row))
                assert isinstance(numbers, tuple)
                database.executemany(f"INSERT INTO {table}_by_group VALUES (?, ?)", [(number, group) for group in numbers])
        if old:
            database.execute("ALTER TABLE adlist DROP COLUMN type")
        database.commit()
