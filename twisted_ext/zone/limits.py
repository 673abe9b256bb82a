"""
Limits of zones: storage, transfers, answers, updates, master files, checks, catalogs and databases.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "IMAGE_OCTETS", "PROBES", "OVERLAY_NODES", "OVERLAY_OCTETS", "NSEC3_STEPS", "CHAIN_LINKS", "NSEC3_ITERATIONS", "NSEC3_HASHES",
    "SET_RECORDS", "NAME_TYPES", "UPDATE_RECORDS", "JOURNAL_OCTETS", "UPDATES_WAITING", "IMAGE_PAUSE", "RECEIVED_OCTETS",
    "RECEIVED_MESSAGES", "CHANGES_RECORDS", "CHANGES_OCTETS", "COMPARED_NODES", "GATHERED_OCTETS", "HELD_OCTETS", "NAME_OCTETS",
    "REFRESHES", "RETRIES", "EXPIRES", "MASTER_OCTETS", "ENTRY_OCTETS", "INCLUDE_DEPTH", "INCLUDED_FILES", "REPEATED_OCTETS",
    "RECORDS_GENERATED", "GENERATED_OCTETS", "MASTER_COMPLAINTS", "ENTRIES_UNCLOSED", "TELLING_OCTETS", "DIVIDED_OCTETS",
    "DIFFERING_OCTETS", "FINDINGS_KEPT", "CATALOG_MEMBERS",
]

# -- images

#: Octets of an image: its arrays have 32 bits for each offset.
IMAGE_OCTETS: Final = Limit(default=0xFFFFFFFF, least=4096, most=0xFFFFFFFF)

#: Maximum slots probed for one name; if a CRC-32 would need more, the names were chosen to collide, and a salted digest is used.
PROBES: Final = Limit(default=64, least=8, most=1024)

# -- versions

#: Names that differ from the image before the next image of the zone is due. Each edit copies their table: 0.1 ms at the default.
OVERLAY_NODES: Final = Limit(default=8192, least=16, most=65536)

#: Records of other NSEC3 chains that are skipped to find one of the chain in use, while a zone changes from one chain to the other.
NSEC3_STEPS: Final = Limit(default=256, least=16, most=4096)

#: Octets of the records at these names.
OVERLAY_OCTETS: Final = Limit(default=16_000_000, least=65536, most=256_000_000)

# -- transfers

#: Octets of a zone received by transfer: otherwise the primary would decide how much is stored.
RECEIVED_OCTETS: Final = Limit(default=1 << 30, least=65535, most=4 << 30)

#: Messages of one transfer: some servers send one record in each.
RECEIVED_MESSAGES: Final = Limit(default=20_000_000, least=16, most=1_000_000_000)

#: Records in the changes of one IXFR; with more, the secondary asks for the whole zone, which another process reads;
#: changes are read in this one.
CHANGES_RECORDS: Final = Limit(default=8192, least=16, most=1_000_000)

#: Octets of changes sent by IXFR; with more, the whole zone is sent: it is ready to send, while changes have to be read and condensed
#: in one turn of the reactor.
CHANGES_OCTETS: Final = Limit(default=262_144, least=0, most=64 << 20)

#: Names of a zone up to which a changed master file is compared with the version before, in short turns: a tenth of a second's work, or
#: some seconds' if all names are in another order.
COMPARED_NODES: Final = Limit(default=2_000_000, least=0, most=2**32)

#: Octets of a transfer up to which it is processed in the server's own process.
GATHERED_OCTETS: Final = Limit(default=131_072, least=0, most=4 << 20)

#: Octets of memory for the records of a transfer until its image is written: compressed names are expanded by then, so that one octet
#: received may take dozens. Enough for some ten million records of the usual kind.
HELD_OCTETS: Final = Limit(default=3 << 30, least=1 << 20, most=64 << 30)

#: Octets of records at one name: a message has room for 65,535 of each type.
NAME_OCTETS: Final = Limit(default=4 << 20, least=65535, most=1 << 30)

#: Refresh interval in seconds, regardless of the SOA.
REFRESHES: Final = Limit(default=3600, least=1, most=2_419_200)

#: Retry interval in seconds. The default is the maximum for a zone that has not been transferred yet.
RETRIES: Final = Limit(default=900, least=1, most=1_209_600)

#: Seconds without contact to a primary after which a zone expires.
EXPIRES: Final = Limit(default=1_209_600, least=2, most=14_515_200)

# -- answers

#: Length of the alias chain that one answer follows, in all zones of a server together.
CHAIN_LINKS: Final = Limit(default=16, least=1, most=64)

#: NSEC3 iterations of a zone; with more, negative answers have no proof (RFC 9276, section 3.2; CVE-2023-50868).
NSEC3_ITERATIONS: Final = Limit(default=150, least=0, most=2500)

#: NSEC3 hashes of names that are cached, since queries for the same few closest enclosers recur.
NSEC3_HASHES: Final = Limit(default=4096, least=1, most=1_000_000)

# -- changes

#: Records of one RRset after an update (CVE-2024-1737: every answer has all of them).
SET_RECORDS: Final = Limit(default=100, least=1, most=65535)

#: Types of records at one name after an update (CVE-2024-1737).
NAME_TYPES: Final = Limit(default=100, least=1, most=65535)

#: Records of one UPDATE, prerequisites and updates together. So many take 20 ms, during which no other client is answered; 65,535 octets
#: have room for 5,900.
UPDATE_RECORDS: Final = Limit(default=2000, least=1, most=6000)

#: Octets of a zone's journal; with more, the oldest differences that an image includes are deleted.
JOURNAL_OCTETS: Final = Limit(default=2**26, least=65536, most=2**36)

#: Updates of one zone that wait for the disk. Further clients get an error and have to try again.
UPDATES_WAITING: Final = Limit(default=1000, least=1, most=100_000)

# -- master files

#: Octets of a master file and of all that it includes together: an image can hold fewer.
MASTER_OCTETS: Final = Limit(default=2**32, least=4096, most=2**34)

#: Octets of one entry: the longest rdata, every octet of it escaped, takes 262,140 without blanks and comments.
ENTRY_OCTETS: Final = Limit(default=2**20, least=4096, most=2**24)

#: Nesting depth of $INCLUDE.
INCLUDE_DEPTH: Final = Limit(default=10, least=0, most=50)

#: Files read for all $INCLUDE of a zone: otherwise a few files that each include others twice would be read without end.
INCLUDED_FILES: Final = Limit(default=10_000, least=0, most=1_000_000)

#: Octets of files that all $INCLUDE of a zone read again: a file that is included often is short, and a few files that include each other
#: often would take more than any memory. Files that are read once are limited by L{MASTER_OCTETS}.
REPEATED_OCTETS: Final = Limit(default=2**25, least=0, most=2**34)

#: Records that all $GENERATE of a zone may make.
RECORDS_GENERATED: Final = Limit(default=1_000_000, least=0, most=16_777_216)

#: Octets of the lines that they may make; one line may have L{ENTRY_OCTETS}.
GENERATED_OCTETS: Final = Limit(default=2**28, least=4096, most=2**32)

#: Complaints about one zone that are kept, fatal ones and warnings each; the reader stops after more fatal ones.
MASTER_COMPLAINTS: Final = Limit(default=100, least=1, most=10_000)

#: Quotes and parentheses that are never closed; after each, the reader resumes after the line that opens it.
ENTRIES_UNCLOSED: Final = Limit(default=5, least=0, most=100)

#: Octets of master files between progress reports of the process that reads them: some 50,000 records, a second at worst.
TELLING_OCTETS: Final = Limit(default=2**21, least=1, most=2**28)

#: Octets of a master file from which on two processes read half of it each: with less, passing records on takes as long as it saves.
DIVIDED_OCTETS: Final = Limit(default=2**24, least=1, most=2**40)

#: Octets of the names of a signed zone that differ from those of the master file before, up to which only these are signed: some ten
#: thousand. They are passed on in one line. Also octets of the records that differ once a whole zone was signed, up to which secondaries
#: get these.
DIFFERING_OCTETS: Final = Limit(default=200_000, least=0, most=400_000)

# -- checks

#: Findings of one check that are kept; further ones are only counted.
FINDINGS_KEPT: Final = Limit(default=100, least=1, most=100_000)

# -- catalogs

#: Member zones of one catalog: each of them causes queries to its primaries.
CATALOG_MEMBERS: Final = Limit(default=200_000, least=1, most=10_000_000)

#: Seconds after which a failed build of an image is tried again.
IMAGE_PAUSE: Final = Limit(default=60, least=1, most=3600)

