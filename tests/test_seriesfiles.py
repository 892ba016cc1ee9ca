"""Series of others: what is read from every kind of place, and what is refused with its line."""

from __future__ import annotations

import shutil

import pytest

from backport.output.seriesview import render_series, series_json
from backport.readers.seriesfiles import read_series_at
from backport.values.dialects import DIALECTS
from backport.values.errors import ManifestError, UsageError

ONE, TWO = "35dfaad7188cdc043fde31709c796f5a692ba2bd", "0123456789abcdef0123456789abcdef01234567"
SIGNED = "Signed-off-by: A <a@b>\n"


def mail(number, text, path="net/dock.c", sha="0" * 40):
    return (
        f"From {sha} Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\n"
        "Date: Tue, 14 Nov 2023 14:43:20 -0730\n"
        f"Subject: [PATCH {number}/2] dock: Step {number}\n\n"
        f"{text}---\n {path} | 2 +-\n\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-int a;\n"
        f"+int b{number};\n"
    )


STABLE = mail(1, f"[ Upstream commit {ONE} ]\n\nBody.\n\n{SIGNED}")
PICKED = mail(2, f"Body.\n\n{SIGNED}(cherry picked from commit {TWO})\n")
LETTER = (
    "From x@y Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\nSubject: [PATCH 0/2] dock\n\nAll of it.\n"
)
ROWS = [("stable", "dock: Step 1", (ONE,)), ("cherry-pick", "dock: Step 2", (TWO,))]


def rows(path, **options):
    found = read_series_at(path, **options)
    return [(p.dialect, p.provenance.subject, p.provenance.upstream) for p in found]


def put(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_an_mbox_with_a_cover_letter(tmp_path):
    box = put(tmp_path, box__mbox=LETTER + STABLE + PICKED) / "box.mbox"
    assert rows(box) == ROWS
    first, second = read_series_at(box)
    assert (first.line, first.paths) == (6, ("net/dock.c",))
    assert second.line == 6 + len(STABLE.splitlines())
    assert first.provenance.author.date == "1700000000 -0730" and first.findings == ()


def test_folders_of_patches_and_of_mail(tmp_path):
    folder = put(tmp_path / "a", a__patch=STABLE, b__patch=PICKED, notes__txt="no\n", c__patch="")
    assert rows(folder) == ROWS
    put(tmp_path / "m/cur", one=STABLE), put(tmp_path / "m/new", two=PICKED)
    assert rows(tmp_path / "m") == ROWS
    assert rows(folder / "a.patch") == ROWS[:1]


@pytest.mark.parametrize("home", ["", "patches", "debian/patches"])
def test_a_quilt_series_has_its_order(tmp_path, home):
    text = "# first\nz.patch -p1\n\nsub/a.patch # last\n"
    put(tmp_path / home, series=text, z__patch=STABLE, other__patch=STABLE)
    put(tmp_path / home / "sub", a__patch=PICKED)
    assert rows(tmp_path) == rows(tmp_path / home / "series") == ROWS


def test_a_level_of_zero(tmp_path):
    text = STABLE.replace("--- a/", "--- ").replace("+++ b/", "+++ ")
    put(tmp_path, series="z.patch -p0\n", z__patch=text)
    assert read_series_at(tmp_path)[0].paths == ("net/dock.c",)


def test_what_says_nothing_of_itself_is_told(tmp_path):
    put(tmp_path, a__patch=mail(1, "Body.\n"), b__patch=mail(2, "Body.\n", sha=ONE))
    silent, line = read_series_at(tmp_path)
    assert (silent.dialect, silent.provenance.upstream) == ("", ())
    assert "does not say" in silent.findings[0].text
    assert (line.dialect, line.provenance.upstream) == ("", (ONE,))
    assert "first line only" in line.findings[0].text


def test_a_dialect_may_be_named(tmp_path):
    put(tmp_path, a__patch=STABLE)
    (found,) = read_series_at(tmp_path, DIALECTS["yocto"])
    assert found.dialect == "yocto" and "no Upstream-Status" in found.findings[0].text


def test_findings_have_file_and_line(tmp_path):
    short = STABLE.replace(ONE, ONE[:12])
    put(tmp_path, box=LETTER + short)
    (found,) = read_series_at(tmp_path / "box")
    shown = render_series([found])
    assert shown.splitlines()[0].startswith(f"{ONE[:12]}     stable       box:6: dock: Step 1")
    line = next(n for n, text in enumerate((LETTER + short).splitlines(), 1) if "Upstream" in text)
    assert f"    {tmp_path}/box:{line}: {ONE[:12]} is abbreviated; write all 40" in shown
    told = series_json([found])[0]
    assert told["provenance"]["upstream"] == (ONE[:12],) and told["findings"][0]["line"] == line


# -- what is refused


@pytest.mark.parametrize(
    ("files", "where", "says"),
    [
        (
            {"a__patch": STABLE, "b__patch": STABLE.replace("b1", "b2")},
            "b.patch:1",
            "carries upstream",
        ),
        ({"a__patch": STABLE, "b__patch": mail(1, SIGNED)}, "b.patch:1", "the same change"),
        ({"a__patch": mail(1, SIGNED, "../evil")}, "a.patch:10", "leads out of the tree"),
        ({"a__patch": mail(1, SIGNED, ".git/config")}, "a.patch:10", "inside a .git"),
        ({"series": "a.patch\n\na.patch\n", "a__patch": STABLE}, "series:3", "at line 1 already"),
        ({"series": "b.patch\n"}, "series:1", "is not there"),
        ({"series": "../x.patch\n"}, "series:1", "is not below"),
        ({"series": "/etc/passwd\n"}, "series:1", "is not below"),
        ({"series": "a.patch -R\n", "a__patch": STABLE}, "series:1", "no option"),
        ({"series": "'a.patch\n"}, "series:1", "cannot be read"),
        ({"a__mbox": "just words\n"}, "a.mbox:1", "neither a patch nor a mail"),
        ({"a__mbox": "\x7fELF\0\0"}, "a.mbox:1", "neither a patch nor a mail"),
        ({"a__mbox": "From: A <a@b>\nSubject: s\n\n\0\n"}, "a.mbox:1", "neither a patch"),
        ({"a__mbox": "Dear all\n" + STABLE}, "a.mbox:1", "begins like no mbox"),
    ],
)
def test_what_must_not_be_is_refused_with_file_and_line(tmp_path, files, where, says):
    put(tmp_path, **files)
    with pytest.raises(ManifestError, match=says) as err:
        read_series_at(tmp_path)
    assert str(err.value.place) == f"{tmp_path}/{where}" and err.value.hint


def test_nothing_to_read_is_refused(tmp_path):
    for path in (
        tmp_path / "nowhere",
        put(tmp_path / "empty"),
        put(tmp_path / "b", a__mbox=LETTER),
    ):
        with pytest.raises(UsageError, match=r"no such|no patches") as err:
            read_series_at(path)
        assert "mbox" in err.value.hint
    shutil.rmtree(tmp_path / "b")
