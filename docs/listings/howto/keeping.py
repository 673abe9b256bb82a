"""
Prove an answer, save the proof, and check it without a network.
"""

from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.evidence import Evidence
from twisted_ext.dnssec.trustanchors import TrustAnchors
from twisted_ext.testing.internet import DAY, Internet

# A simulated internet. On the real one, client.proof("www.example.org") is enough.
internet = Internet(seed=5)
internet.zone("example.org", "www A 192.0.2.80")
resolver = internet.resolver()

result = internet.wait(resolver.lookupAddress("www.example.org"))
receipt = result.answer.receipt
print(result.security.value, receipt.packets, "queries,", receipt.verifications, "signatures checked")

proof = internet.wait(resolver.proof("www.example.org"))
print(proof.security.value, len(proof.support), "answers for keys and DS records")
saved = proof.toJSON()

# Elsewhere, later. The reader's own trust anchors count, not those in the proof.
now = int(internet.time())
anchors = TrustAnchors(anchorsFromFile(internet.anchors, "root.key", now).anchors)
again = Evidence.fromJSON(saved)
print(again.check(anchors).security.value)
verdict = again.check(anchors, now + 30 * DAY)
print(verdict.security.value, verdict.reasons[0][1].partition(", sent by")[0])
