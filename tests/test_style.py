"""checkpatch: what is read of it, whose a finding is, what is allowed, and the verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from exportkit import TOOL, WHO, Shop

from backport.doors.git import Entry
from backport.doors.rundir import Found
from backport.gates.style import SCRIPT, check_style
from backport.output.styleview import render_style, summary_of
from backport.readers.checkpatch import parse_checkpatch, read_allowances
from backport.shell.commands import deliver
from backport.shell.styling import style_of
from backport.values.errors import GateFailed, ManifestError, UsageError
from backport.values.record import decode
from backport.values.style import (
    Allowance,
    CommitStyle,
    State,
    StyleFinding,
    StyleReport,
    compared,
    excused,
)

OUTPUT = """\
ERROR:GIT_COMMIT_ID: Please use git commit description style
#7:
commit 0123456789ab was first

WARNING:FILE_PATH_CHANGES: added, moved or deleted file(s)
#40:
new file mode 100644

CHECK:MACRO_ARG_REUSE: Macro argument reuse 'entry' - possible side-effects?
#159: FILE: include/linux/dock.h:115:
+#define dock_each(entry)	\\
+	for (entry = 0; entry; entry++)

ERROR:MISSING_SIGN_OFF: Missing Signed-off-by: line(s)

total: 2 errors, 1 warnings, 1 checks, 24 lines checked

NOTE: For some of the reported defects, checkpatch may be able to
      mechanically convert to the typical style using --fix or --fix-inplace.

- has style problems, please review.
"""


def test_every_form_of_a_finding_is_read():
    found = parse_checkpatch(OUTPUT.replace("#40:", "#40: "), "x")  # as it is printed
    assert [(f.level, f.kind, f.path, f.line) for f in found] == [
        ("ERROR", "GIT_COMMIT_ID", "", 0),
        ("WARNING", "FILE_PATH_CHANGES", "", 0),
        ("CHECK", "MACRO_ARG_REUSE", "include/linux/dock.h", 115),
        ("ERROR", "MISSING_SIGN_OFF", "", 0),
    ]
    assert found[0].code == "commit 0123456789ab was first" and found[3].code == ""
    assert found[2].code.count("\n") == 1


def test_without_checks_the_summary_has_none():
    assert parse_checkpatch("total: 0 errors, 0 warnings, 9 lines checked\n\n- has no\n", "x") == ()


def test_a_run_that_did_not_end_or_counts_otherwise_is_no_pass():
    with pytest.raises(GateFailed, match="did not come to its end"):
        parse_checkpatch(OUTPUT.split("total:", maxsplit=1)[0], "x")
    with pytest.raises(GateFailed, match="did not come to its end"):
        parse_checkpatch("", "x")
    with pytest.raises(GateFailed, match="counts 3 errors"):
        parse_checkpatch(OUTPUT.replace("total: 2", "total: 3"), "x")


# -- whose a finding is


def finding(kind="LONG_LINE", code="+int a;", path="a.c", text="too long", **more):
    return StyleFinding("WARNING", kind, text, path, 1, code, **more)


def states(ours, theirs):
    return [(f.code, str(f.state)) for f in compared(ours, theirs)]


def test_what_upstream_has_too_is_upstreams_once_for_each():
    one = finding()
    assert states([one, one], [replace(one, line=9, path="b.c")]) == [
        ("+int a;", "upstream"),
        ("+int a;", "new"),
    ]
    assert states([one], []) == [("+int a;", "new")]
    assert states([], [one]) == [("+int a;", "gone")]
    assert states([replace(one, code="+int   a;")], [one])[0][1] == "upstream"


def test_a_line_that_a_rule_changed_keeps_upstreams_finding():
    theirs = finding(code="+	dev->lltx = true; /* a long comment that goes on */")
    ours = replace(theirs, code="+	dev->features |= LLTX; /* a long comment that goes on */")
    assert [s for _, s in states([ours], [theirs])] == ["upstream"]
    assert [s for _, s in states([replace(ours, path="b.c")], [theirs])] == ["new", "gone"]
    assert [s for _, s in states([replace(ours, kind="X")], [theirs])] == ["new", "gone"]
    assert [s for _, s in states([replace(ours, code="+quite another")], [theirs])] == [
        "new", "gone",
    ]  # fmt: skip


def test_a_reason_allows_what_is_new_and_nothing_else():
    commit = CommitStyle("c" * 40, "a" * 40, "s", (finding(), finding(state=State.UPSTREAM)))
    fits = [Allowance("LONG_LINE", "so"), Allowance("LONG_LINE", "so", "a" * 12, "a.c", r"int \w")]
    for allowed in fits:
        done = excused(commit, [allowed])
        assert [f.state for f in done.findings] == [State.ALLOWED, State.UPSTREAM]
        assert done.findings[0].why == "so"
    for other in (
        Allowance("OTHER", "so"),
        Allowance("LONG_LINE", "so", "b" * 12),
        Allowance("LONG_LINE", "so", "", "b.c"),
        Allowance("LONG_LINE", "so", "", "", "long"),
    ):
        assert excused(commit, [other]) == commit


def test_reasons_are_read(tmp_path):
    file = tmp_path / "style.toml"
    assert read_allowances(file) == ()
    file.write_text('[[allow]]\ntype = "LONG_LINE"\nwhy = "so"\npath = "a.c"\n')
    (one,) = read_allowances(file)
    assert (one.kind, one.why, one.path, one.place.line) == ("LONG_LINE", "so", "a.c", 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('type = "X"\n', 1),
        ('type = "X"\nwhy = ""\n', 3),
        ('type = "X"\nwhy = "so"\ncode = "("\n', 4),
        ('type = "X"\nwhy = "so"\ncommit = "HEAD"\n', 4),
        ('type = "X"\nwhy = "so"\nline = 4\n', 4),
    ],
)
def test_a_bad_reason_is_refused_at_its_line(tmp_path, text, line):
    (tmp_path / "style.toml").write_text(f"[[allow]]\n{text}")
    with pytest.raises(ManifestError) as err:
        read_allowances(tmp_path / "style.toml")
    assert err.value.place.line == line


# -- on a series

# As checkpatch prints, of lines that say `bad`; it refuses what it must not be given.
CHECKPATCH = r"""
die "config" if -e "$ENV{HOME}/.checkpatch.conf"; die "no words" unless -s "spelling.txt";
my ($n, $path, $line, $found, $diff) = (0, '', 0, 0, 0);
while (<STDIN>) {
    $n++; chomp;
    die "provenance" if !$diff && /Upstream commit|Backport-rule|adapted:/;
    $diff = 1 if /^diff /;
    $path = $1 if m{^\+\+\+ b/(.*)};
    $line = $1 - 1 if /^@@ -\S+ \+(\d+)/;
    $line++ if $diff && /^[ +]/;
    next unless /bad/ && (!$diff || /^\+/);
    print "WARNING:BAD: says bad\n#$n: ", ($diff ? "FILE: $path:$line:" : ''), "\n$_\n\n"; $found++;
}
print "total: 0 errors, $found warnings, $n lines checked\n"; exit($found ? 1 : 0);
"""


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    """A series of two commits whose lines say bad: upstream's, a new one, and one that is gone."""
    shop = Shop(tmp_path_factory.mktemp("style") / "store.git")
    git, record = shop.git, shop.record
    script = {SCRIPT: CHECKPATCH, "scripts/spelling.txt": "x\n"}
    base_tree = git.edit_tree(git.tree_of(shop.base), entries(git, script))
    base = git.commit_tree(base_tree, [], "base", TOOL, TOOL)
    words = "net: add\n\nA bad body.\n\nCc: a@b\n"
    their_tree = git.edit_tree(base_tree, entries(git, {"a.c": "int x; /* bad */\nint bad;\n"}))
    theirs = git.commit_tree(their_tree, [base], words, WHO, WHO)
    marked = (
        f"net: add\n\n[ Upstream commit {'a' * 40} ]\n\nA bad body.\n\nCc: a@b\nBackport-rule: r\n"
    )
    our_tree = git.edit_tree(
        base_tree, entries(git, {"a.c": "int x; /* bad */\nx(); // too bad\n"})
    )
    ours = git.commit_tree(our_tree, [base], marked, WHO, TOOL)
    pick = replace(record.picks[0], commit=ours, incoming=theirs, sha="a" * 40)
    none = replace(pick, commit="")
    record = replace(
        record, base=replace(record.base, commit=base), head=ours, tree=our_tree, picks=(pick, none)
    )
    return git, record


def entries(git, files):
    return {path: Entry("100644", git.write_blob(text.encode())) for path, text in files.items()}


def test_each_pick_is_compared_with_upstreams_commit(styled):
    git, record = styled
    events = []
    blob, (commit,) = check_style(git, record.base.commit, record.picks, events.append)
    assert blob == git.entry(record.base.commit, SCRIPT).oid
    assert [(str(f.state), f.path, f.line, f.code) for f in commit.findings] == [
        ("upstream", "", 0, "A bad body."),
        ("upstream", "a.c", 1, "+int x; /* bad */"),
        ("new", "a.c", 2, "+x(); // too bad"),
        ("gone", "a.c", 2, "+int bad;"),
    ]
    assert (events[-1].done, events[-1].total) == (1, 1)


def test_the_report_is_kept_with_the_run_and_reads_back(styled, tmp_path):
    git, record = styled
    run = Found(tmp_path, record)
    report = style_of(git, run, tmp_path, lambda _: None, strict=False)
    kept = json.loads((tmp_path / "style.json").read_bytes())
    assert decode(StyleReport, kept) == decode(StyleReport, json.loads(json.dumps(asdict(report))))
    shown = render_style(report)
    assert f"{'a' * 12}             1         0         2         1  net: set line 20" in shown
    assert "new: aaaaaaaaaaaa a.c:2: WARNING:BAD: says bad\n    +x(); // too bad" in shown
    assert summary_of(report) == "checkpatch: 1 finding that upstream's own commits do not have"
    (tmp_path / "style.toml").write_text('[[allow]]\ntype = "BAD"\nwhy = "it is too bad"\n')
    report = style_of(git, run, tmp_path, lambda _: None, strict=False)
    assert report.all(State.NEW) == [] and len(report.all(State.ALLOWED)) == 1
    assert "  why: it is too bad" in render_style(report)


def test_a_tree_or_a_store_that_lacks_something_says_so(styled, tmp_path):
    git, record = styled
    empty = git.commit_tree(git.empty_tree(), [], "e", TOOL, TOOL)
    with pytest.raises(UsageError, match=r"has no scripts/checkpatch\.pl"):
        check_style(git, empty, record.picks, lambda _: None)
    lost = (replace(record.picks[0], incoming="e" * 40),)
    with pytest.raises(UsageError, match="is not in") as err:
        check_style(git, record.base.commit, lost, lambda _: None)
    assert "backport pick" in err.value.hint
    with pytest.raises(UsageError, match="picked nothing"):
        style_of(git, Found(tmp_path, replace(record, head="")), tmp_path, print, strict=False)


def test_a_script_that_dies_is_no_pass(styled):
    git, record = styled
    tree = git.edit_tree(git.tree_of(record.base.commit), entries(git, {SCRIPT: "die 'broken';\n"}))
    base = git.commit_tree(tree, [], "base", TOOL, TOOL)
    with pytest.raises(Exception, match="broken"):
        check_style(git, base, record.picks, lambda _: None)


def test_the_command_fails_with_what_is_new_and_passes_with_a_reason(
    styled, tmp_path, monkeypatch, capsys
):
    git, record = styled
    series = tmp_path / "series.toml"
    monkeypatch.setattr(deliver.common, "chosen_run", lambda _: Found(tmp_path, record))
    monkeypatch.setattr(deliver, "Store", lambda _: SimpleNamespace(git=git))
    monkeypatch.setattr(deliver, "series_path", lambda *_: series)
    with pytest.raises(GateFailed, match="1 finding that upstream's") as err:
        deliver.checkpatch(json=True, quiet=True)
    assert (
        err.value.log == tmp_path / "style.json" and str(tmp_path / "style.toml") in err.value.hint
    )
    assert json.loads(capsys.readouterr().out)["commits"][0]["findings"][2]["state"] == "new"
    (tmp_path / "style.toml").write_text('[[allow]]\ntype = "BAD"\nwhy = "so"\n')
    deliver.checkpatch(quiet=True)
    assert capsys.readouterr().out.split()[:4] == ["new", "allowed", "upstream", "gone"]
