"""A small plan of mixtures, for tests."""

from __future__ import annotations

from backport.values.version import Version

SMALL = """\
devices = ["old", "new"]
families = [4, 6]

[[load]]
name = "udp"
what = "datagrams"
places = ["host", "wire"]
expect = "delivered"
quick = true

[[load]]
name = "gso"
what = "segments"
places = ["host"]
expect = "delivered"

[[life]]
name = "many"
what = "a crowd"
expect = "gone"
most = { left = 0, slab_kb = 100 }

[[behaviour]]
name = "arp"
what = "asks for addresses"
answers = { old = "yes", new = "no" }
means = "look elsewhere"

[[exception]]
name = "gso"
family = 6
until = "6.1"
expect = "failed"
reason = "an older kernel refuses it"
"""
NEW = Version(6, 12)
