"""Textual diffs as values: which files a patch names, and what its hunks say."""

from __future__ import annotations

import pytest

from backport.readers.hunks import FileDiff, Hunk, read_diff

MAIL = b"""\
 net/dock.c | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/net/dock.c b/net/dock.c
index 1111111..2222222 100644
--- a/net/dock.c
+++ b/net/dock.c
@@ -10,3 +10,4 @@ int dock_open(struct dock *dock)
 \tint ret;
-\tret = 1;
+\tret = 2;
+--- a/no header
 \treturn ret;
@@ -30 +31,0 @@
-int gone;
diff --git a/new.c b/new.c
new file mode 100755
index 0000000..3333333
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+int new;
\\ No newline at end of file
--\x20
2.39.5
"""


def test_files_and_hunks():
    assert read_diff(MAIL) == (
        FileDiff(
            "net/dock.c",
            "net/dock.c",
            (
                Hunk(
                    9,
                    "int dock_open(struct dock *dock)",
                    ("\tint ret;\n", "\tret = 1;\n", "\treturn ret;\n"),
                    ("\tint ret;\n", "\tret = 2;\n", "--- a/no header\n", "\treturn ret;\n"),
                ),
                Hunk(29, "", ("int gone;\n",), ()),
            ),
        ),
        FileDiff("", "new.c", (Hunk(0, "", (), ("int new;",)),), "100755"),
    )


def test_a_patch_without_git_headers_and_a_deleted_file():
    files = read_diff(
        b"--- a/one.c\t2023-01-01\n+++ b/one.c\n@@ -1 +1 @@\n-a\n+b\n"
        b"--- b/two.c\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-c\n-\n"
    )
    assert [(f.old, f.new) for f in files] == [("one.c", "one.c"), ("two.c", "")]
    assert files[1].hunks == (Hunk(0, "", ("c\n", "\n"), ()),)


def test_a_blank_context_line_that_a_mailer_stripped():
    (file,) = read_diff(b"--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n")
    assert file.hunks[0].old == ("a\n", "\n", "b\n")
    assert file.hunks[0].new == ("a\n", "\n", "c\n")


def test_both_sides_may_lack_the_last_line_feed():
    (file,) = read_diff(
        b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n"
        b"+b\n\\ No newline at end of file\n"
    )
    assert (file.hunks[0].old, file.hunks[0].new) == (("a",), ("b",))


@pytest.mark.parametrize(
    "text",
    [
        b"diff --git a/x b/y\nrename from x\nrename to y\n",
        b"diff --git a/x b/y\ncopy from x\ncopy to y\n",
        b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n",
        b"diff --git a/x b/x\nGIT binary patch\nliteral 1\n",
        b"Binary files a/x and b/x differ\n",
        b"diff --git a/x b/x\nnew file mode 100644\nindex 0000000..e69de29\n",  # an empty file
        b'--- "a/\\303\\274.c"\n+++ "b/\\303\\274.c"\n@@ -1 +1 @@\n-a\n+b\n',
        b"--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n",
    ],
)
def test_what_is_not_said_by_lines_is_not_read(text):
    assert read_diff(text) is None
