"""
Bounds of zones: what is kept of them, and what may be changed in one.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.limits import Limit

__all__ = [
    "IMAGE_OCTETS", "PROBES", "OVERLAY_NODES", "OVERLAY_OCTETS", "NSEC3_STEPS", "STRETCH_OCTETS", "CHAIN_LINKS",
    "GLUE_HOSTS", "NSEC3_ITERATIONS", "NSEC3_HASHES",
    "SET_RECORDS", "NAME_TYPES", "UPDATE_RECORDS", "JOURNAL_OCTETS", "JOURNAL_ENTRY_OCTETS",
    "UPDATES_WAITING", "IMAGE_PAUSE", "STORE_SECONDS", "STORE_NEWS", "STORE_FEED",
    "RECEIVED_OCTETS", "RECEIVED_MESSAGES", "CHANGES_RECORDS", "CHANGES_OCTETS", "COMPARED_NODES",
    "GATHERED_OCTETS", "HELD_OCTETS", "NAME_OCTETS", "GATHERING_SECONDS", "REFRESHES", "RETRIES", "EXPIRES",
    "MASTER_OCTETS", "ENTRY_OCTETS", "INCLUDE_DEPTH", "INCLUDED_FILES", "REPEATED_OCTETS", "RECORDS_GENERATED",
    "GENERATED_OCTETS", "MASTER_COMPLAINTS", "ENTRIES_UNCLOSED", "TELLING_OCTETS",
    "FINDINGS_KEPT", "CHECKED_NODES", "LOCATED_OCTETS", "CHECKED_ALIASES", "SIGNATURE_WARNING", "CATALOG_MEMBERS", "CATALOG_GROUPS",
]

# -- images

#: Octets of an image: its arrays count in 32 bits.
IMAGE_OCTETS: Final = Limit(default=0xFFFFFFFF, least=4096, most=0xFFFFFFFF)

#: Slots that are looked at for one name; when a checksum would need more, names were chosen for it and a salted digest is used.
PROBES: Final = Limit(default=64, least=8, most=1024)

# -- versions

#: Names that differ from the image below before the zone is due for its next image. Each edit copies
#: the table of them: 0.1 ms at the default.
OVERLAY_NODES: Final = Limit(default=8192, least=16, most=65536)

#: Records of other NSEC3 chains that are passed over for one of the chain in use, while a zone goes from one to the other.
NSEC3_STEPS: Final = Limit(default=256, least=16, most=4096)

#: Octets of the records at these names.
OVERLAY_OCTETS: Final = Limit(default=16_000_000, least=65536, most=256_000_000)

# -- transfers

#: Octets of records that are handed on at a time: what a message of 65,535 has room for beside header, question, SOA and TSIG.
STRETCH_OCTETS: Final = Limit(default=48_000, least=512, most=64_000)

#: Octets of a zone that comes by transfer: whoever sends it would decide how large it is.
RECEIVED_OCTETS: Final = Limit(default=1 << 30, least=65535, most=4 << 30)

#: Messages of one transfer: some servers send one record in each.
RECEIVED_MESSAGES: Final = Limit(default=20_000_000, least=16, most=1_000_000_000)

#: Records of the changes that come by IXFR; with more, the whole zone is asked for: it is read in another process, and changes are not.
CHANGES_RECORDS: Final = Limit(default=8192, least=16, most=1_000_000)

#: Octets of changes that are sent by IXFR; with more, the whole zone is sent: it is ready as it is, and changes have to be read and put
#: together, in one turn.
CHANGES_OCTETS: Final = Limit(default=262_144, least=0, most=64 << 20)

#: Names of a zone up to which it is compared with what it was, when its master file has changed: a second's work, in short turns.
COMPARED_NODES: Final = Limit(default=200_000, least=0, most=2**32)

#: Octets of a transfer up to which it is not worth another process.
GATHERED_OCTETS: Final = Limit(default=131_072, least=0, most=4 << 20)

#: Octets of memory for the records of a transfer until its image is written: names that messages only point to are whole by then, so that
#: each octet that came may be dozens. Some ten million records of the usual kind.
HELD_OCTETS: Final = Limit(default=3 << 30, least=1 << 20, most=64 << 30)

#: Octets of records at one name of it: what one message has room for is 65,535, for each type.
NAME_OCTETS: Final = Limit(default=4 << 20, least=65535, most=1 << 30)

#: Seconds that the process which makes an image of it may take. Ten million records take half a minute where it has a processor to itself.
GATHERING_SECONDS: Final = Limit(default=1200, least=1, most=86400)

#: Seconds between two looks at a primary, whatever its SOA says.
REFRESHES: Final = Limit(default=3600, least=1, most=2_419_200)

#: Seconds to the next look where that has failed. The default is the most for a zone of which nothing has come yet.
RETRIES: Final = Limit(default=900, least=1, most=1_209_600)

#: Seconds without a primary until a zone is given up.
EXPIRES: Final = Limit(default=1_209_600, least=2, most=14_515_200)

# -- answers

#: Aliases that one answer follows, in all zones of a server together.
CHAIN_LINKS: Final = Limit(default=16, least=1, most=64)

#: Name servers of one delegation whose addresses are looked for with every referral; thirteen are many.
GLUE_HOSTS: Final = Limit(default=100, least=13, most=4096)

#: Rounds of a zone's NSEC3 hashes; with more, denials are left unproved (RFC 9276, section 3.2; CVE-2023-50868).
NSEC3_ITERATIONS: Final = Limit(default=150, least=0, most=2500)

#: Hashes of names that are remembered, since the same few names above are asked about again and again.
NSEC3_HASHES: Final = Limit(default=4096, least=1, most=1_000_000)

# -- changes

#: Records of one set that a change may leave (CVE-2024-1737: every answer has all of them).
SET_RECORDS: Final = Limit(default=100, least=1, most=65535)

#: Types of records that a change may leave at one name (CVE-2024-1737).
NAME_TYPES: Final = Limit(default=100, least=1, most=65535)

#: Records of one UPDATE, prerequisites and changes together. So many take 20 ms, in which nobody else is answered; 65,535 octets would have
#: room for 5,900.
UPDATE_RECORDS: Final = Limit(default=2000, least=1, most=6000)

#: Octets of a zone's journal; the oldest differences go when it has more and an image has them.
JOURNAL_OCTETS: Final = Limit(default=2**26, least=65536, most=2**36)

#: Octets of one difference in it: what takes more is sent whole, as a new zone.
JOURNAL_ENTRY_OCTETS: Final = Limit(default=2**28, least=2**17, most=2**31)

#: Changes of one zone that wait for the disk. Whoever comes then is told to come again.
UPDATES_WAITING: Final = Limit(default=1000, least=1, most=100_000)

# -- master files

#: Octets of a master file and of all that it includes together: what of them an image can hold is less.
MASTER_OCTETS: Final = Limit(default=2**32, least=4096, most=2**34)

#: Octets of one entry: the longest rdata, every octet of it an escape, takes 262,140 beside blanks and comments.
ENTRY_OCTETS: Final = Limit(default=2**20, least=4096, most=2**24)

#: Files that may be open within each other by $INCLUDE.
INCLUDE_DEPTH: Final = Limit(default=10, least=0, most=50)

#: Files that all $INCLUDE of a zone may read: two lines in each of a few files would otherwise read them without end.
INCLUDED_FILES: Final = Limit(default=10_000, least=0, most=1_000_000)

#: Octets of files that all $INCLUDE of a zone may read once more: what is included often is short, and a few files that include each other
#: often would be more than any memory holds. Files that are read once are bounded by L{MASTER_OCTETS}.
REPEATED_OCTETS: Final = Limit(default=2**25, least=0, most=2**34)

#: Records that all $GENERATE of a zone may make.
RECORDS_GENERATED: Final = Limit(default=1_000_000, least=0, most=16_777_216)

#: Octets of the lines that they may make: one line may have L{ENTRY_OCTETS}.
GENERATED_OCTETS: Final = Limit(default=2**28, least=4096, most=2**32)

#: Complaints about one zone that are kept, fatal ones and others each; reading ends where there are more fatal ones.
MASTER_COMPLAINTS: Final = Limit(default=100, least=1, most=10_000)

#: Quotes and parentheses that are never closed, for each of which reading begins once more behind the line that opens them.
ENTRIES_UNCLOSED: Final = Limit(default=5, least=0, most=100)

#: Octets of master files after which whoever waits for a zone is told that it goes on: some 50,000 records, a second at worst.
TELLING_OCTETS: Final = Limit(default=2**21, least=1, most=2**28)

# -- checks

#: Findings of one check that are kept; the others are counted.
FINDINGS_KEPT: Final = Limit(default=100, least=1, most=100_000)

#: Names of a zone up to which all checks are done when a server loads it; of larger ones it looks for what is fatal, and the command does
#: the rest. It takes a tenth of a second for this many.
CHECKED_NODES: Final = Limit(default=20_000, least=0, most=2**32)

#: Octets of a master file up to which it is read again to say in which lines what was found stands: some seconds for the largest.
LOCATED_OCTETS: Final = Limit(default=16 << 20, least=0, most=2**34)

#: Aliases that are followed to see whether they lead anywhere.
CHECKED_ALIASES: Final = Limit(default=16, least=1, most=64)

#: Seconds before the end of a signature from which on it is worth a warning.
SIGNATURE_WARNING: Final = Limit(default=3 * 86400, least=0, most=90 * 86400)

# -- catalogs

#: Zones that one catalog may list: whoever writes it has us ask for each of them.
CATALOG_MEMBERS: Final = Limit(default=200_000, least=1, most=10_000_000)

#: Groups that one zone of a catalog may be in.
CATALOG_GROUPS: Final = Limit(default=16, least=1, most=1000)

#: Seconds after which the next image is tried again, where one could not be built.
IMAGE_PAUSE: Final = Limit(default=60, least=1, most=3600)

# -- databases

#: Seconds to wait for somebody else who writes to a database.
STORE_SECONDS: Final = Limit(default=5, least=0, most=60)

#: Names that have changed in it beyond which a zone is read as a whole.
STORE_NEWS: Final = Limit(default=5000, least=1, most=100_000)

#: Changes of names that a database remembers for those who look.
STORE_FEED: Final = Limit(default=100_000, least=1000, most=10_000_000)
