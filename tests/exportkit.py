"""A small series on a small base, with its record, for the tests of what leaves the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sample_record import sample

from backport.doors.git import FILE_MODE, Entry, Git
from backport.output.exporters import Cargo, Extra, pack
from backport.values.commit import Person
from backport.values.dialects import DIALECTS
from backport.values.dialects.stable import message
from backport.values.provenance import Adapted, Provenance
from backport.values.record import Base, Pick

WHO = Person("Jörg Müller", "jm@example.org", "1700000000 +0200")
TOOL = Person("backport", "backport@localhost", "1700000500 +0000")
ONE, TWO = "35dfaad7188cdc043fde31709c796f5a692ba2bd", "0123456789abcdef0123456789abcdef01234567"
EXTRA = Extra("Mia Maintainer <mia@suse.com>", ("https://bugs.debian.org/1",), ("CVE-2024-26581",))
NUMBERS = b"".join(b"int line%d;\n" % n for n in range(40))
BASE = {
    "Makefile": b"VERSION = 6\n",
    "net/core/dev.c": NUMBERS,
    "net/core/old.c": b"int old;\n",
    "drivers/latin.c": b"/* caf\xe9 */\nint a;\nint b;\n",
    "docs/never-touched.txt": b"same\n",
}
# Text, bytes that are no UTF-8, a new and a removed file, and the new one changed again.
CHANGES = (
    {"net/core/dev.c": NUMBERS.replace(b"line20;", b"line20 = 1;")},
    {"drivers/latin.c": b"/* caf\xe9 */\nint \xfc;\nint b;\n"},
    {"net/core/old.c": None, "net/core/new.c": b"int old;\n"},
    {"net/core/new.c": b"int old;\nint more;\n"},
)
WORDS = (
    Provenance("net: set line 20", "Why: it was not set.", ("Signed-off-by: Jörg <j@x>",),
               upstream=(ONE, TWO), adapted=(Adapted("the line is another one here", "line-20"),)),
    Provenance("drivers: übersetzen", "Body", upstream=(TWO,)),
    Provenance("net: move old to new", upstream=("a" * 40,)),
    Provenance("net: new once more", "It was too short.", upstream=("b" * 40,)),
)  # fmt: skip


class Shop:
    """A store with the series in it; `cargo` packs it in a dialect."""

    def __init__(self, path: Path, changes=CHANGES):
        self.git = Git.init_bare(path)
        self._packed = {}
        tree = self.git.edit_tree("", self._entries(BASE))
        self.base = self.git.commit_tree(tree, [], "base", TOOL, TOOL)
        head, picks = self.base, []
        for words, files in zip(WORDS, changes, strict=False):
            tree = self.git.edit_tree(tree, self._entries(files))
            head = self.git.commit_tree(tree, [head], message(words), WHO, TOOL)
            picks.append(
                Pick(
                    words.upstream[0], words.subject, "clean", head, words.upstream, first_in="6.7"
                )
            )
        base = Base("6.1.7", "a tree", "", self.base, "mini")
        self.record = replace(
            sample(), base=base, head=head, tree=tree, picks=tuple(picks), branch="backport/x/mini"
        )

    def _entries(self, files):
        return {
            path: None if data is None else Entry(FILE_MODE, self.git.write_blob(data))
            for path, data in files.items()
        }

    def cargo(self, dialect="stable", extra=None, **changes) -> Cargo:
        key = (dialect, extra)
        if key not in self._packed:
            self._packed[key] = pack(self.git, self.record, DIALECTS[dialect], extra)
        return replace(self._packed[key], **changes)
