"""The review page: all of a review is in it, nothing of a repository gets out of its text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from reviewkit import EVIL, adapted, commit, empty, file_review, hostile, large, record_of, small

from backport.advice.ownership import Known, Tie
from backport.advice.review import FileReview, Review
from backport.output.commitgraph import Need, graph, needs
from backport.output.diffrows import CLIP, blocks
from backport.output.page import printable
from backport.output.reviewpage import render_review, total_of
from backport.values.compat import (
    ChangedSymbol,
    Compat,
    Notice,
    StructChange,
    Symbols,
    UapiChange,
)
from backport.values.findings import Findings
from backport.values.record import Brought
from backport.values.rule import line_delta
from backport.values.style import CommitStyle, State, StyleFinding, StyleReport

NONE = Findings()
DOCK = "net/core/dock.c"
# HTML lets these stay open; everything else must be closed in order.
OPTIONAL = {"tr", "td", "th", "col", "colgroup", "tbody", "thead"}
VOID = {"meta", "input", "br", "col"}


class Page(HTMLParser):
    """Reads a page: what opens must close, in order; scripts and styles are kept apart."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.raw = {"script": "", "style": ""}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID and tag not in OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in OPTIONAL:
            assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]] += data
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).split())

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    def headings(self):
        return [int(tag[1]) for tag, _ in self.tags if re.fullmatch(r"h[1-6]", tag)]


@pytest.fixture(scope="module")
def page():
    return Page(render_review(small(), NONE))


def test_each_difference_is_under_the_rule_that_made_it_with_its_reason(page):
    assert "◆ args signature: the call has one argument here" in page.text
    assert "settled by rule place" in page.text
    assert "Lose a line" in page.text and "✗ 2 without a rule" in page.text
    assert "✗ 2 have no rule that explains them" in page.text


def test_a_rule_has_one_note_for_all_that_it_did_in_a_place(page):
    notes = [attrs for attrs in page.of("p") if attrs.get("class", "").startswith("note")]
    assert len(notes) == 2  # of `args`, and of what nobody owns


def test_rules_that_are_not_at_hand_are_named_for_the_file():
    base, theirs, ours, result = "a\n", "a\nb\n", "a\n", "a\nc\n"
    file = file_review(DOCK, (base, theirs, ours, result), Known(instead=Tie.UNTOLD))
    one = (commit(1, "dock: Old", file, untold="the rules have changed"),)
    text = Page(render_review(Review(record_of(one), one), NONE)).text
    assert "Differences are not tied to rules: the rules have changed" in text
    assert "Rules that fired in this file then: args place" in text
    assert "1 commit could not be tied to rules" in text


def test_what_is_as_upstream_has_it_is_folded_and_counted(page):
    assert "12 lines as upstream has them: +12 −0" in page.text
    total = total_of(small())
    assert (total.upstream, total.backport, total.same, total.differ) == (29, 29, 27, 4)
    assert f"{total.same} changed lines are upstream's; {total.differ} differ" in page.text


def test_a_conflict_is_shown_as_it_was(page):
    for part in ("upstream before 1 line", "target 1 line", "upstream after 4 lines", "dock_open"):
        assert part in page.text


def test_headings_go_down_one_step_at_a_time(page):
    levels = page.headings()
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), levels


def test_a_screen_reader_finds_its_way(page):
    assert len(page.of("main")) == len(page.of("nav")) == 1
    assert page.of("html")[0]["lang"] == "en"
    assert page.of("a")[0]["href"] == "#commits"
    heads = {attrs.get("scope") for attrs in page.of("th") if "scope" in attrs}
    assert heads == {"col"}
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = {
        a["href"][1:]
        for a in page.of("a")
        if a["href"].startswith("#") and a["href"].count("/") == 0
    }
    assert targets <= set(ids)


def policy(page):
    (meta,) = [m for m in page.of("meta") if "http-equiv" in m]
    assert meta["http-equiv"] == "Content-Security-Policy"
    return meta["content"]


@pytest.mark.parametrize("review", [small(), hostile()], ids=["small", "hostile"])
def test_only_our_own_script_and_style_may_run(review):
    page = Page(render_review(review, NONE))
    for name, raw in page.raw.items():
        digest = base64.b64encode(hashlib.sha256(raw.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy(page)
        assert len(page.of(name)) == 1
    assert policy(page).startswith("default-src 'none';") and "unsafe" not in policy(page)
    assert not {"link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in page.tags}
    names = {name for _, attrs in page.tags for name in attrs}
    assert not {n for n in names if n.startswith("on") or n in {"src", "style", "srcdoc"}}
    hrefs = {a["href"] for a in page.of("a")}
    assert all(href.startswith("#") or href == "report.html" for href in hrefs)


def test_what_is_hostile_is_text_and_what_cannot_be_seen_is_shown():
    page = Page(render_review(hostile(), NONE))
    assert EVIL in "".join(page.words)
    assert "⌈U+202E⌉x" in page.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.text
    assert printable("a\N{ZERO WIDTH SPACE}b\x1b") == "a⌈U+200B⌉b\N{REPLACEMENT CHARACTER}"


def test_the_page_stays_below_its_bound_and_says_what_is_not_in_it():
    review = large(40)
    whole = render_review(review, NONE)
    page = len(render_review(Review(review.record, ()), NONE))
    facts = len(render_review(review, NONE, page=0)) - page
    bound = facts + (len(whole) - page - facts) // 3
    short = render_review(review, NONE, page=bound)
    assert len(short) <= page + bound + facts < len(whole)
    assert "not in this page, which is full" in short and "Not in this page" in short
    assert short.count('<details class="commit"') == 40


def test_long_lines_and_long_files_are_cut_and_say_so():
    new = "".join(f"{n}\n" for n in range(3000))
    files = (
        file_review("long.c", ("", "x" * 5000, "", "x" * 5000)),
        file_review("many.c", ("", new, "", new)),
    )
    text = render_review(Review(record_of(one := (commit(2, "dock: Much", *files),)), one), NONE)
    assert "x" * CLIP + "…" in text and "x" * (CLIP + 1) not in text
    assert "2,400 more lines, not in this page" in text


def test_what_other_commands_found_is_shown_and_what_nobody_looked_for_is_said():
    compat = Compat(
        *("dock", "mini", "0" * 40, "1" * 40),
        ("DOCK: n -> y",),
        Symbols(
            9, ("netkit_link",), ("gone",), (ChangedSymbol("dev_get", "0x1", "0x2", ("dev",)),)
        ),
        (StructChange("struct dev", "linux/dev.h", 8, 16, ("grew by a pointer",)),),
        (UapiChange("include/uapi/linux/dock.h", "macro", "DOCK_OPEN", "4"),),
        (
            Notice("struct dev has another size", "type", "struct dev"),
            Notice("fine", "symbol", "dev_get", allowed=True, reason="ok"),
        ),
    )
    found = (
        StyleFinding("WARNING", "LONG_LINE", "too long", "net/core/dock.c", 24),
        StyleFinding("CHECK", "SPACING", "blank", "net/core/dock.c", 25, state=State.UPSTREAM),
        StyleFinding("CHECK", "MESSAGE", "of the message", state=State.ALLOWED, why="a habit"),
    )
    other = (StyleFinding("CHECK", "OTHER", "of another commit"),)
    checked = (
        CommitStyle("0001" + "b" * 36, "a" * 40, "dock: Add", found),
        CommitStyle("f" * 40, "a" * 40, "dock: Other", other),
    )
    style = StyleReport("dock", "mini", "1" * 40, "2" * 40, True, checked)
    text = Page(render_review(small(), Findings(style, compat))).text
    for part in ("netkit_link", "− removed", "0x2", "8 → 16 bytes", "grew by a pointer",
                 "DOCK_OPEN", "DOCK: n -> y", "✗ not allowed", "✓ allowed",
                 "Style: 3 findings", "too long", "upstream's own", "a habit"):  # fmt: skip
        assert part in text, part
    assert "of another commit" not in text
    assert "there is no compat.json" in Page(render_review(small(), NONE)).text


def test_binary_files_and_modes_are_told_in_words():
    file = FileReview("fw.bin", (), (), notes=("upstream: binary, 1 becomes 2",))
    one = (commit(2, "dock: Firmware", file),)
    assert "binary, 1 becomes 2" in Page(render_review(Review(record_of(one), one), NONE)).text


def test_what_the_target_has_already_is_folded_and_no_difference():
    new = "".join(f"{n}\n" for n in range(9))
    known = Known(drift=line_delta([], new.splitlines(keepends=True)))
    one = (commit(2, "dock: Again", file_review("a.c", ("", new, new, new), known)),)
    review = Review(record_of(one), one)
    assert total_of(review).differ == 0
    assert "9 lines that the target has already: +9 −0" in Page(render_review(review, NONE)).text


def test_an_empty_review_is_a_page_too():
    assert "No commit was picked." in Page(render_review(empty(), NONE)).text


def test_equal_rows_around_a_difference_are_shown_and_the_others_folded():
    found = blocks(adapted())
    assert not found[0].folded
    assert sum(len(block.rows) for block in found) == len(adapted().rows)
    new = "".join(f"{n}\n" for n in range(30))
    other = file_review("a.c", ("", new, "", new.replace("15\n", "15 foreign\n")))
    assert [(len(b.rows), b.folded) for b in blocks(other)] == [
        (12, True),
        (3, False),
        (4, False),
        (11, True),
    ]


def test_a_commit_needs_the_earlier_one_whose_name_it_uses_first():
    commits = (commit(1, "dock: One", adapted()), commit(2, "dock: Two", adapted("lib/b.c")))
    brought = (
        Brought("third", "call", "lib/b.c", "commit", "dock: One"),
        Brought("third", "call", "net/core/dock.c", "commit", "dock: Two"),  # used before: no arc
        Brought("first", "call", "lib/b.c", "rule", "args"),
        Brought("absent", "call", "lib/b.c", "commit", "dock: One"),
    )
    review = Review(replace(record_of(commits), brought=brought), commits)
    assert needs(review) == [Need(1, 0, ("third",))]
    drawn = graph(commits, needs(review))
    assert len(drawn.nodes) == 2 and len(drawn.arcs) == 1
    assert [node.adapted for node in drawn.nodes] == [True, False]
    assert "needs" in Page(render_review(review, NONE)).text
