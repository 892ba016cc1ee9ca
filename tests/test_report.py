"""The report: everything in the record is in it, nothing in the record can break out of it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import pytest
from sample_record import PASSED_RUN, STOPPED_RUN, sample, suite

from backport.output.page import code, escape_markdown
from backport.output.report import case_rows, render_html, render_markdown, write_report
from backport.output.summary import columns
from backport.values.record import Adaptation, Case, Failure, Gate, LeftOut, RunRecord, Suite

VOID = {"meta", "br"}
SECTIONS = [
    "Base and provenance",
    "Picks",
    "Adaptations",
    "Gates",
    "Configuration",
    "Build",
    "Tests",
    "Left out",
    "How to reproduce",
    "Stages",
    "Artifacts",
]
EVIL = (
    "</code></pre><script>alert(1)</script>|`x`<img src=x onerror=y>\n# not a title\n\x1b[31m\x00"
)
BEGUN = RunRecord("netkit", "debian-6.1", "running", "2026-07-14T10:11:12Z", "backport run")


class Page(HTMLParser):
    """Reads a page strictly: what opens must close, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def titles(markdown):
    return re.findall(r"^## (.*)$", markdown, re.MULTILINE)


@pytest.mark.parametrize("record", [PASSED_RUN, STOPPED_RUN, BEGUN])
def test_both_forms_have_every_section_in_order(record):
    assert titles(render_markdown(record)) == SECTIONS
    assert re.findall(r"<h2>(.*)</h2>", render_html(record)) == SECTIONS
    assert Page(render_html(record)).tags.count("h1") == 1


def leaves(value):
    """Every text in a record, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for item in pair for text in leaves(item))
    elif isinstance(value, tuple):
        yield from (text for item in value for text in leaves(item))
    elif hasattr(value, "__dataclass_fields__"):
        yield from (text for f in fields(value) for text in leaves(getattr(value, f.name)))


@pytest.mark.parametrize(
    "name", ["base", "picks", "adaptations", "gates", "config", "tests", "controls", "left_out"]
)
def test_nothing_of_the_record_is_missing_in_the_page(name):
    text = Page(render_html(PASSED_RUN)).text
    internal = {PASSED_RUN.base.tree, "pass", "fail"} | {pick.incoming for pick in PASSED_RUN.picks}
    for leaf in leaves(getattr(PASSED_RUN, name)):
        wanted = leaf[:12] if re.fullmatch(r"[0-9a-f]{40}", leaf) else leaf
        assert leaf in internal or " ".join(wanted.split()) in text, leaf


def test_full_upstream_ids_and_the_verdict_are_in_both_forms():
    for text in (render_markdown(PASSED_RUN), Page(render_html(PASSED_RUN)).text):
        for pick in PASSED_RUN.picks:
            assert all(sha in text for sha in pick.stands_for)
        assert "netkit on debian-6.1: 12 commits, 24 of 24 tests passed" in text
        assert "backport run netkit --target debian-6.1" in text
        assert "fails, as it must" in text


def test_the_page_needs_nothing_from_outside():
    page = Page(render_html(PASSED_RUN))
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert not [name for name, _value in page.attributes if name in ("src", "href", "onclick")]
    assert "url(" not in render_html(PASSED_RUN)
    assert "default-src 'none'" in render_html(PASSED_RUN)


def poisoned():
    """A record with markup in every text that comes from outside."""
    pick = replace(
        PASSED_RUN.picks[0], subject=EVIL, conflicts=(EVIL,), rules=(EVIL,), outcome=EVIL
    )
    bad = Suite(EVIL, 0, 1, 0, (Case(EVIL, "failed", EVIL),), "failed", EVIL)
    return sample(
        series="netkit",
        picks=(pick,),
        adaptations=(Adaptation(EVIL, EVIL, EVIL, EVIL),),
        gates=(Gate(EVIL, "failed", EVIL),),
        tests=(bad,),
        left_out=(LeftOut(EVIL, EVIL, EVIL),),
        failure=Failure(EVIL, EVIL, EVIL),
        artifacts={EVIL: EVIL},
        tools={EVIL: EVIL},
        command=EVIL,
        branch=EVIL,
        base=replace(PASSED_RUN.base, source=EVIL),
        config=replace(PASSED_RUN.config, values={EVIL: EVIL}, lost=(EVIL,)),
    )


def test_markup_in_the_record_stays_text_in_the_page():
    html = render_html(poisoned())
    page = Page(html)
    assert not {"script", "img"} & set(page.tags)
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in html
    assert "\x00" not in html


def test_markup_in_the_record_stays_text_in_markdown():
    text = render_markdown(poisoned())
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text)  # less the code spans
    outside = re.sub(r"^    .*$", "", outside, flags=re.MULTILINE)  # and the code block
    assert not re.search(r"(?<!\\)<(?!br>)", outside)
    assert titles(text) == SECTIONS
    assert "\x00" not in text
    rows = [line for line in text.splitlines() if line.startswith("| 1 |")]
    assert len(re.findall(r"(?<!\\)\|", rows[0])) == 8


def test_text_that_is_no_utf_8_can_be_written(tmp_path):
    written = write_report(sample(branch="caf\udce9"), tmp_path)
    assert "caf\N{REPLACEMENT CHARACTER}" in written["html"].read_text()


def test_both_files_are_written_and_named(tmp_path):
    written = write_report(PASSED_RUN, tmp_path)
    assert {name: path.name for name, path in written.items()} == {
        "markdown": "report.md",
        "html": "report.html",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.md"]
    assert written["markdown"].read_text() == render_markdown(PASSED_RUN)
    assert len(written["html"].read_bytes()) < 60_000


def test_a_stopped_run_says_why_and_what_next():
    for text in (render_markdown(STOPPED_RUN), Page(render_html(STOPPED_RUN)).text):
        for part in (
            "2 conflicts that no rule settles",
            "logs/pick.log",
            "backport continue",
            "No gate ran",
            "The kernel was not configured",
            "Nothing was built",
            "No test ran",
        ):
            assert part in text


def test_a_case_that_never_came_shows_on_the_kernel_where_it_did_not():
    few = (suite("tc_links", ("basic",)),)
    record = sample(tests=few, controls=(replace(PASSED_RUN.controls[1], suites=()),))
    rows = list(case_rows(record, columns(record)))
    assert [(row.suite, row.name) for row in rows] == [("tc_links", "tc_links_basic")]
    assert [case and case.outcome for case in rows[0].cases] == ["passed", None]
    assert "did not run" in Page(render_html(record)).text
    assert "did not run" in render_markdown(record)


def test_failures_that_must_be_are_not_painted_as_bad():
    html = render_html(PASSED_RUN)
    assert html.count('<span class="bad">✗') == 0
    assert '<span class="soft">✗ failed' in html
    wrong = sample(tests=(suite("tc_links", ("basic",), "failed", "boom"),))
    assert '<span class="bad">✗ failed' in render_html(wrong)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("6.1.192", "6.1.192"),
        ("1. first", "1\\. first"),
        ("- x", "\\- x"),
        ("a_b *c*", "a\\_b \\*c\\*"),
        ("<b>&amp;", "\\<b\\>&amp;amp;"),
        ("a\n# b", "a \\# b"),
        ("a|b", "a\\|b"),
    ],
)
def test_markdown_escapes(text, escaped):
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize(
    ("text", "span"),
    [("", ""), ("a", "`a`"), ("a`b", "`` a`b ``"), ("a|b", "`a\\|b`"), ("``", "``` `` ```")],
)
def test_code_spans_hold(text, span):
    assert code(text) == span
