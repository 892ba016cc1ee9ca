"""Reading series and targets: the shipped ones, and every way to get one wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from backport.readers.manifest import (
    find_data_root,
    read_flavour,
    read_series,
    read_target,
    series_path,
    target_path,
)
from backport.readers.tomlfile import load
from backport.values.errors import ManifestError, UsageError
from backport.values.series import Role, Variant
from backport.values.target import (
    DebianSource,
    DirectorySource,
    Flavour,
    GitSource,
    LocalRepoSource,
    TarballSource,
)
from backport.values.version import Version

ROOT = Path(__file__).resolve().parents[1]
A, B = "a" * 40, "b" * 40

SERIES = f"""\
title = "a feature"
suites = ["tc_x"]

[pick]
roles = ["core", "fix"]

[donor]
roles = ["selftest"]
reason = "built elsewhere"

[[commit]]
sha = "{A}"
subject = "net: add x"
first_in = "6.6"
role = "core"

[[commit]]
sha = "{B}"
subject = "net: mend x"
first_in = "6.7-rc1"
role = "fix"
fixes = ["aaaaaaaaaaaa"]
fixes_outside = ["cccccccccccc"]

[[left_out]]
sha = "{"d" * 40}"
subject = "net: more x"
reason = "not needed"
"""

TARGET = """\
version = "6.1"
fragments = ["guest", "net"]

[source]
kind = "debian"
package = "linux-source-6.1"
suites = ["bookworm"]

[make]
WERROR = "0"

[[control]]
name = "base"
package = "linux-image"
suites = ["bookworm"]
modules = ["veth"]
"""


def write_series(tmp_path, text):
    path = tmp_path / "feature" / "series.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def write_target(tmp_path, text):
    path = tmp_path / "t-6.1.toml"
    path.write_text(text)
    return path


def edited(text, old, new):
    """The text with its only occurrence of `old` replaced."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_read_series(tmp_path):
    series = read_series(write_series(tmp_path, SERIES))
    assert (series.name, series.title, series.suites) == ("feature", "a feature", ("tc_x",))
    first, second = series.commits
    assert (first.sha, first.role, first.first_in) == (A, Role.CORE, Version(6, 6))
    assert second.fixes == (A,)  # the abbreviation is completed
    assert second.fixes_outside == ("cccccccccccc",)
    assert second.place.line == SERIES[: SERIES.index(B)].count("\n") + 1
    assert series.left_out[0].reason == "not needed"
    assert series.donor_reason == "built elsewhere"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "a feature"\n', "", "the key `title` is missing"),
        ('subject = "net: add x"', 'subjct = "net: add x"', "the key `subject` is missing"),
        ('reason = "not needed"', 'reason = "x"\nwhy = "y"', "left_out[0].why: unknown key"),
        (f'sha = "{A}"', 'sha = "aaaaaaaaaaaa"', ":12: commit[0].sha: 'aaaaaaaaaaaa' is not a"),
        (f'sha = "{A}"', f'sha = "{"A" * 40}"', "is not a full SHA"),
        (f'sha = "{A}"', f'sha = "{B}"', f"{B} is already at"),
        ('first_in = "6.6"', 'first_in = "six"', ":14: commit[0].first_in: 'six' is not a"),
        ('first_in = "6.6"', "first_in = 6.6", "must be a string, is a float"),
        ('role = "core"', 'role = "coer"', ":15: commit[0].role: 'coer' is not known"),
        ('"selftest"', '"selftests"', ":8: donor.roles[0]: 'selftests' is not known"),
        ('"net: add x"', '"net: add x "', "has white space around it"),
        ('fixes = ["aaaaaaaaaaaa"]', 'fixes = ["aaaa"]', "is not a SHA of 12 to 40"),
        ('fixes = ["aaaaaaaaaaaa"]', 'fixes = ["eeeeeeeeeeee"]', "is not in this series"),
        ('fixes = ["aaaaaaaaaaaa"]', 'fixes = ["dddddddddddd"]', "which is left out"),
        ('fixes = ["aaaaaaaaaaaa"]', 'fixes = "aaaaaaaaaaaa"', "must be an array, is a string"),
        ('reason = "built elsewhere"', 'reason = ""', "donor.reason: is empty"),
        ("[pick]", "[pick", ":4:"),
    ],
)
def test_bad_series_name_file_line_key_and_what_to_do(tmp_path, old, new, message):
    path = write_series(tmp_path, edited(SERIES, old, new))
    with pytest.raises(ManifestError) as caught:
        read_series(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert caught.value.hint


def test_an_unknown_key_gets_a_suggestion(tmp_path):
    text = edited(SERIES, 'suites = ["tc_x"]', 'suites = ["tc_x"]\ntitel = "x"')
    with pytest.raises(ManifestError, match="titel: unknown key") as caught:
        read_series(write_series(tmp_path, text))
    assert caught.value.hint == "did you mean `title`?"


def test_read_target(tmp_path):
    target = read_target(write_target(tmp_path, TARGET))
    assert (target.name, target.version, target.arch) == ("t-6.1", Version(6, 1), "x86_64")
    assert target.source == DebianSource("linux-source-6.1", ("bookworm",))
    assert target.fragments == ("guest", "net")
    assert target.make_variables == {"WERROR": "0"}
    assert target.controls[0].modules == ("veth",)


@pytest.mark.parametrize(
    ("lines", "make"),
    [
        ('kind = "git"\nurl = "git://h/x"\nref = "v6.1"', lambda d: GitSource("git://h/x", "v6.1")),
        ('kind = "repo"\npath = "/r"', lambda d: LocalRepoSource(Path("/r"))),
        ('kind = "repo"\npath = "r"\nrev = "v1"', lambda d: LocalRepoSource(d / "r", "v1")),
        ('kind = "directory"\npath = "x"', lambda d: DirectorySource(d / "x")),
        ('kind = "tarball"\npath = "x.tar"', lambda d: TarballSource(d / "x.tar")),
    ],
)
def test_source_kinds(tmp_path, lines, make):
    text = f'version = "6.1"\nfragments = []\n[source]\n{lines}\n'
    assert read_target(write_target(tmp_path, text)).source == make(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "debian"', 'kind = "debain"', ":5: source.kind: 'debain' is not known"),
        ('kind = "debian"', 'kind = "git"', "source: the key `url` is missing"),
        ('suites = ["bookworm"]\n\n[make]', "suites = []\n\n[make]", "source.suites: is empty"),
        ('WERROR = "0"', "WERROR = 0", ":10: make.WERROR: must be a string"),
        ('"net"]', '"net.config"]', ":2: fragments[1]: 'net.config' is not a fragment"),
        ('"net"]', '"../net"]', "is not a fragment"),
        ('name = "base"', 'name = "bass"', ":13: control[0].name: 'bass' is not known"),
        ('version = "6.1"', 'version = "6"', ":1: version: '6' is not a kernel version"),
        ('modules = ["veth"]', 'module = ["veth"]', "control[0].module: unknown key"),
    ],
)
def test_bad_targets(tmp_path, old, new, message):
    with pytest.raises(ManifestError) as caught:
        read_target(write_target(tmp_path, edited(TARGET, old, new)))
    assert message in str(caught.value)


def test_a_control_twice_and_a_bad_digest(tmp_path):
    twice = TARGET + TARGET[TARGET.index("[[control]]") :]
    with pytest.raises(ManifestError, match="'base' is there twice"):
        read_target(write_target(tmp_path, twice))
    text = 'version = "6.1"\nfragments = []\n[source]\nkind = "tarball"\npath = "x"\nsha256 = "1"\n'
    with pytest.raises(ManifestError, match="is not a SHA-256"):
        read_target(write_target(tmp_path, text))


# -- what we ship


def test_the_shipped_series_reads_and_stands_on_its_prerequisites():
    series = read_series(series_path(ROOT, "netkit"))
    order = [c.subject for c in series.picked]
    netkit = order.index("netkit, bpf: Add bpf programmable net device")
    assert order.index("bpf: Add fd-based tcx multi-prog infra with link support") < netkit
    assert {c.role for c in series.commits} == set(Role)
    assert not {c.sha for c in series.commits} & {c.sha for c in series.left_out}
    assert len({row.subject for row in series.commits}) == len(series.commits)


def test_every_shipped_target_reads_and_has_its_fragments():
    paths = sorted((ROOT / "patches" / "targets").glob("*.toml"))
    assert paths
    for path in paths:
        target = read_target(path)
        for name in target.fragments:
            assert (ROOT / "kconfig" / f"{name}.config").is_file(), f"{path.name}: {name}"


# -- finding the data


def test_data_root_is_the_checkout_unless_named(tmp_path, monkeypatch):
    monkeypatch.delenv("BACKPORT_DATA", raising=False)
    assert find_data_root() == ROOT
    for name in ("patches", "kconfig", "qemu"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("BACKPORT_DATA", str(tmp_path))
    assert find_data_root() == tmp_path
    (tmp_path / "qemu").rmdir()
    with pytest.raises(UsageError, match="lacks qemu") as caught:
        find_data_root()
    assert "BACKPORT_DATA" in caught.value.hint


def test_unknown_names_list_or_suggest_the_known():
    with pytest.raises(UsageError, match="netkt: no such series") as caught:
        series_path(ROOT, "netkt")
    assert caught.value.hint == "did you mean `netkit`?"
    with pytest.raises(UsageError, match="no such target") as caught:
        target_path(ROOT, "zzz")
    assert "debian-6.1" in caught.value.hint
    assert target_path(ROOT, "debian-6.1").is_file()


# -- variants

VARIANT = """
[[variant]]
name = "without y"
fragments = ["without-y"]
why = "x stood under it"
"""


def test_a_series_names_other_configurations(tmp_path):
    (tmp_path / "series.toml").write_text(SERIES + VARIANT)
    [variant] = read_series(tmp_path / "series.toml").variants
    assert variant == Variant("without y", ("without-y",), "x stood under it")


def test_a_variant_that_differs_in_nothing_is_refused(tmp_path):
    (tmp_path / "series.toml").write_text(SERIES + VARIANT.replace('"without-y"', ""))
    with pytest.raises(ManifestError, match=r"series.toml:\d+: .*fragments.*is empty"):
        read_series(tmp_path / "series.toml")


def test_every_shipped_variant_has_its_fragments():
    names = [
        f for v in read_series(ROOT / "patches/netkit/series.toml").variants for f in v.fragments
    ]
    assert names and all((ROOT / f"kconfig/{name}.config").is_file() for name in names)


# -- flavours

FLAVOURS = """\
[[flavour]]
name = "debug"
fragments = ["debug"]
memory = 2048
patience = 4
"""


def flavours(tmp_path, text):
    (tmp_path / "kconfig").mkdir()
    (tmp_path / "kconfig/flavours.toml").write_text(text)
    return tmp_path


def test_a_flavour_is_a_row(tmp_path):
    root = flavours(tmp_path, FLAVOURS)
    assert read_flavour(root, "debug") == Flavour("debug", ("debug",), 2048, 4)


def test_an_unknown_flavour_names_the_known(tmp_path):
    with pytest.raises(UsageError, match="debgu: no such flavour") as caught:
        read_flavour(flavours(tmp_path, FLAVOURS), "debgu")
    assert caught.value.hint == "did you mean `debug`?"


@pytest.mark.parametrize("key", ["memory", "patience"])
def test_a_flavour_without_room_is_refused_at_its_line(tmp_path, key):
    text = "\n".join(f"{key} = 0" if ln.startswith(key) else ln for ln in FLAVOURS.split("\n"))
    with pytest.raises(ManifestError, match=rf"flavours.toml:\d: .*{key}.*0 is not enough"):
        read_flavour(flavours(tmp_path, text), "debug")


def test_every_shipped_flavour_has_its_fragments():
    table = load(ROOT / "kconfig/flavours.toml")
    names = [row.string("name") for row in table.tables("flavour")]
    assert names
    for name in names:
        for fragment in read_flavour(ROOT, name).fragments:
            assert (ROOT / f"kconfig/{fragment}.config").is_file()
