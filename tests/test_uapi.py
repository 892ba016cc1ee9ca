"""The UAPI gate: the compiler's numbers for two sets of headers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kernelish import change, drop, make_tree

from backport.doors.git import Entry, Git
from backport.gates.uapi import compare, read_uapi
from backport.shell.judging import headers_of
from backport.values.errors import GateFailed, ManifestError

HEADER = "include/uapi/linux/toy_abi.h"
UPSTREAM = """
enum toy_kind {
	TOY_ONE,
	TOY_OTHER,
	TOY_NEW,
};
union toy_attr {
	struct {
		unsigned int fd;
		unsigned int flags;
		unsigned long long revision;
	} attach;
};
"""
DATA = f"""
headers = ["{HEADER}"]
values = ["TOY_NEW"]
offsets = ["union toy_attr: attach.revision"]
"""


@pytest.fixture
def git(tmp_path):
    return Git.init_bare(tmp_path / "store.git")


def tree(git, text):
    return git.edit_tree("", {HEADER: Entry("100644", git.write_blob(text.encode()))})


def uapi(tmp_path, text=DATA):
    path = tmp_path / "uapi.toml"
    path.write_text(text)
    return read_uapi(path)


def test_equal_numbers_pass_whatever_stands_between(git, tmp_path):
    pinned = UPSTREAM.replace("	TOY_OTHER,\n	TOY_NEW,", "	TOY_NEW = 2,")
    assert compare(git, uapi(tmp_path), [tree(git, UPSTREAM)], tree(git, pinned)) == []


def test_a_renumbered_member_is_named_with_both_numbers(git, tmp_path):
    shifted = UPSTREAM.replace("	TOY_OTHER,\n", "")
    found = compare(git, uapi(tmp_path), [tree(git, UPSTREAM)], tree(git, shifted))
    assert found == ["TOY_NEW is 1, upstream has 2"]


def test_a_moved_field_is_named(git, tmp_path):
    moved = UPSTREAM.replace("		unsigned int flags;\n", "		unsigned int flags[3];\n")
    found = compare(git, uapi(tmp_path), [tree(git, UPSTREAM)], tree(git, moved))
    assert found == ["union toy_attr: attach.revision is 16, upstream has 8"]


def test_a_missing_name_fails_the_gate(git, tmp_path):
    without = UPSTREAM.replace("	TOY_NEW,\n", "")
    with pytest.raises(GateFailed, match=r"the result[\s\S]*TOY_NEW"):
        compare(git, uapi(tmp_path), [tree(git, UPSTREAM)], tree(git, without))


def test_each_header_comes_from_the_newest_commit_that_has_it(git, tmp_path):
    trees = [git.empty_tree(), tree(git, UPSTREAM), tree(git, "enum { TOY_NEW = 7 };")]
    assert compare(git, uapi(tmp_path), trees, tree(git, UPSTREAM)) == []


def test_a_header_that_upstream_never_touches_is_the_results_own(git, tmp_path):
    assert compare(git, uapi(tmp_path), [], tree(git, UPSTREAM)) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (HEADER, "linux/toy_abi.h", "is not below include/uapi/"),
        ("union toy_attr: attach.revision", "toy_attr.attach", "names no member"),
        ("values", "numbers", "unknown key"),
    ],
)
def test_mistakes_in_the_list_name_file_and_line(tmp_path, old, new, said):
    with pytest.raises(ManifestError, match=said) as err:
        uapi(tmp_path, DATA.replace(old, new))
    assert "uapi.toml:" in str(err.value)


# -- the last field that a call looks at

CALL = "kernel/toy.c"
LAST = f"""
[[last_field]]
macro = "TOY_ATTACH_LAST_FIELD"
in = "{CALL}"
of = "union toy_attr"
reaches = ["attach.revision"]
"""


def result_with(git, code):
    entry = Entry("100644", git.write_blob(code.encode()))
    return git.edit_tree(tree(git, UPSTREAM), {CALL: entry})


@pytest.mark.parametrize("field", ["attach.revision", "attach"])
def test_a_last_field_at_or_behind_the_member_passes(git, tmp_path, field):
    result = result_with(git, f"#define TOY_ATTACH_LAST_FIELD {field}\nint x;\n")
    assert compare(git, uapi(tmp_path, DATA + LAST), [tree(git, UPSTREAM)], result) == []


def test_a_member_behind_the_last_field_is_named(git, tmp_path):
    result = result_with(git, "int x;\n#define TOY_ATTACH_LAST_FIELD \\\n\tattach.flags\n")
    found = compare(git, uapi(tmp_path, DATA + LAST), [tree(git, UPSTREAM)], result)
    assert found == ["TOY_ATTACH_LAST_FIELD ends at byte 8, before attach.revision does at 16"]


def test_a_last_field_that_is_gone_is_named(git, tmp_path):
    found = compare(git, uapi(tmp_path, DATA + LAST), [], tree(git, UPSTREAM))
    assert found == [f"{CALL} does not define TOY_ATTACH_LAST_FIELD"]


def test_a_last_field_that_reaches_nothing_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"reaches.*is empty"):
        uapi(tmp_path, DATA + LAST.replace('"attach.revision"', ""))


# -- headers that are known in parts


def test_headers_that_are_known_in_parts_are_taken_from_a_newer_kernel(tmp_path):
    """A patch brings only the lines around its hunks: that is no header to compile."""
    git = Git.init_bare(tmp_path / "store.git")
    trees = [make_tree(git, {"a.h": text}) for text in "123"]
    whole = [change(git, trees[0], tree) for tree in trees[1:]]
    newer = drop(git, {"a.h": "4"}, "6.12")
    assert headers_of(whole, newer) == [whole[1].commit, whole[0].commit]
    parts = [whole[0], replace(whole[1], whole=False)]
    assert headers_of(parts, newer) == [newer.commit]
    assert headers_of(parts, None) == []
