"""The data files of an audit: decisions, the kernel CNA's list, OSV; and their faults."""

from __future__ import annotations

import json
from datetime import date

import pytest

from backport.readers.decisions import read_decisions
from backport.readers.vulnerabilities import Vulnerability, read_cna, read_osv
from backport.values.audit import Choice
from backport.values.errors import ManifestError, UsageError

A, B, C = "a" * 40, "b" * 40, "c" * 40

GOOD = f"""\
[[decision]]
sha = "{A}"
decision = "take"
reason = "crashes"

[[decision]]
sha = "{B[:12]}"
decision = "later"
reason = "after the freeze"
expires = 2027-03-31

[[decision]]
sha = "{C}"
decision = "leave"
reason = "no such hardware"
expires = "2028-01-01"
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="audit.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


# -- decisions


def test_decisions(file):
    one, two, three = read_decisions(file(GOOD))
    assert (one.sha, one.choice, one.reason, one.expires) == (A, Choice.TAKE, "crashes", None)
    assert (two.sha, two.choice, two.expires) == (B[:12], Choice.LATER, date(2027, 3, 31))
    assert (three.choice, three.expires) == (Choice.LEAVE, date(2028, 1, 1))
    assert one.holds(date(2999, 1, 1))
    assert two.holds(date(2027, 3, 31)) and not two.holds(date(2027, 4, 1))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (A, "HEAD~3", ":2: decision[0].sha: 'HEAD~3' is not the id of a commit"),
        (A, A[:8], ":2: decision[0].sha: 'aaaaaaaa' is not the id of a commit"),
        ('"take"', '"maybe"', ":3: decision[0].decision: 'maybe' is not known"),
        ('reason = "crashes"', "", ":1: decision[0]: the key `reason` is missing"),
        ('reason = "crashes"', 'reason = ""', ":4: decision[0].reason: is empty"),
        ("2027-03-31", '"soon"', ":10: decision[1].expires: 'soon' is not a date"),
        ("2027-03-31", "3", ":10: decision[1].expires: 3 is not a date"),
        ("expires = 2027-03-31", "", ":8: decision[1].decision: `later` needs a day"),
        (C, B, f":13: decision[2].sha: {B} is already at "),
        ("reason", "raeson", ":4: decision[0].raeson: the key `reason` is missing"),
        ("[[decision]]", "[[decision]", "mend the TOML"),
    ],
)
def test_what_is_wrong_with_decisions(file, old, new, said):
    with pytest.raises(ManifestError) as caught:
        read_decisions(file(GOOD.replace(old, new, 1)))
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_no_file_of_decisions(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_decisions(tmp_path / "none.toml")


# -- the kernel CNA


def record(*ranges):
    versions = [{"version": old, "lessThan": new, "status": "affected", "versionType": "git"}
                for old, new in ranges]  # fmt: skip
    return json.dumps({"containers": {"cna": {"affected": [{"versions": versions}]}}})


def test_the_cnas_list(file, tmp_path):
    year = "vulns/cve/published/2026"
    file(f"# made by dyad\n5.6:{A}:6.1.78:{B}\n0:0:6.8:{C} # fix\n", f"{year}/CVE-2026-0001.dyad")
    file(record((C, A)), f"{year}/CVE-2026-0001.json")  # less exact: not looked at
    file(record((A, B), ("0", C)), f"{year}/CVE-2026-0002.json")
    file(f"{B}\n", f"{year}/CVE-2026-0003.sha1")
    file(f"{A}\n", "vulns/cve/rejected/2026/CVE-2026-0004.sha1")
    file("notes", f"{year}/README")
    assert read_cna(tmp_path / "vulns") == (
        Vulnerability("CVE-2026-0001", ((A, B), ("", C))),
        Vulnerability("CVE-2026-0002", ((A, B), ("", C))),
        Vulnerability("CVE-2026-0003", (("", B),)),
    )


def test_what_is_no_list_of_the_cna(file, tmp_path):
    with pytest.raises(UsageError, match="no list of the kernel's CNA"):
        read_cna(tmp_path)
    path = file("[1, 2]", "vulns/cve/published/2026/CVE-2026-0001.json")
    with pytest.raises(ManifestError, match="is no CVE record") as caught:
        read_cna(tmp_path / "vulns")
    assert caught.value.place.file == str(path)


# -- OSV


def entry(**more):
    events = [{"introduced": A}, {"fixed": B}, {"fixed": C}]
    ranges = [{"type": "GIT", "repo": "https://example.org/linux", "events": events}]
    return {"id": "X-1", "affected": [{"ranges": ranges}], **more}


@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: [e], lambda e: {"vulns": [e]}])
def test_osv(file, wrap):
    [found] = read_osv(file(json.dumps(wrap(entry(aliases=["GHSA-1", "CVE-2026-0009"])))))
    assert found == Vulnerability("CVE-2026-0009", ((A, B), (A, C)))


def test_osv_without_a_commit(file):
    row = entry(affected=[{"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}])
    assert read_osv(file(json.dumps([row, entry()])))[0] == Vulnerability("X-1", ())
    row = entry()
    row["affected"][0]["ranges"][0]["events"][0] = {"introduced": "0"}
    assert read_osv(file(json.dumps(row)))[0].pairs == (("", B), ("", C))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", ":1: is not JSON"),
        ('{\n"id": "X",,}', ":2: is not JSON"),
        ('"a word"', "vulns: must be a list"),
        ('{"vulns": 3}', "vulns: must be a list"),
        ('[{"id": "X"}, {}]', "[1].id: is missing"),
        ('[{"id": 3}]', "[0].id: is missing"),
        ('{"id": "X", "affected": {"a": 1}}', "[0].affected: must be a list"),
        ('{"id": "X", "affected": [{"ranges": [{"type": "GIT"}]}]}', "cannot be read"),
        ('{"id": "X", "affected": ["linux"]}', "cannot be read"),
    ],
)
def test_what_is_no_osv(file, text, said):
    path = file(text, "osv.json")
    with pytest.raises(ManifestError) as caught:
        read_osv(path)
    assert caught.value.message.startswith(str(path)) and said in caught.value.message


def test_no_osv_file(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_osv(tmp_path / "none.json")
