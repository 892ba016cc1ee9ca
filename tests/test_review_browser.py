"""The review page in a real browser: keys, links, filters, no request, no barrier.

Chromium is driven through its own driver; nothing is fetched. `make test` installs both.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

import axe_core_python
import pytest
from reviewkit import adapted, as_upstream, empty, hostile, large, small
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from backport.output.reviewpage import render_review
from backport.values.findings import Findings

pytestmark = pytest.mark.slow

OPTIONS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
    "disable-background-networking", "disable-component-update", "disable-sync",
)  # fmt: skip
AXE = Path(axe_core_python.__file__).with_name("axe.min.js")
SECONDS = 2.0  # that a page of 500 commits may take to open

ONE, TWO, THREE = (f"{n:04x}" + "b" * 8 for n in (1, 2, 3))


def program(name):
    found = shutil.which(name)
    assert found, f"{name} is missing: apt-get install -y chromium chromium-driver"
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for word in OPTIONS:
        options.add_argument(f"--{word}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    yield driver
    driver.quit()


@cache
def text_of(name):
    made = {"small": small, "empty": empty, "hostile": hostile, "large": large}
    return render_review(made[name](), Findings())


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page by name, at a width; its log and requests are checked in the end."""

    def open_(name, width=1400, anchor=""):
        path = tmp_path / f"{name}.html"
        path.write_text(text_of(name), encoding="utf-8")
        browser.set_window_size(width, 900)
        browser.get(f"{path.as_uri()}{anchor}")
        browser.execute_async_script("setTimeout(arguments[0], 20)")
        return browser

    browser.get("about:blank")
    browser.get_log("browser"), browser.get_log("performance")
    yield open_
    assert browser.get_log("browser") == []
    sent = [e["message"] for e in browser.get_log("performance")]
    sent = [text for text in sent if '"Network.requestWillBeSent"' in text]
    assert sent and all('"url":"file:' in text or '"url":"about:' in text for text in sent)


def press(browser, *keys):
    chain = ActionChains(browser)
    for key in keys:
        chain.send_keys(key)
    chain.perform()


def js(browser, code, *args):
    return browser.execute_script(f"return {code}", *args)


def here(browser):
    """The commit, and the kind of thing, that has the focus."""
    return js(
        browser,
        "[(document.activeElement.closest('details.commit') || {}).id,"
        " document.activeElement.className || document.activeElement.tagName.toLowerCase()]",
    )


def shown(browser):
    commits = "[...document.querySelectorAll('details.commit')]"
    return js(browser, f"{commits}.filter(e => e.checkVisibility()).map(e => e.id)")


def test_a_walk_with_the_keyboard_alone(opened):
    page = opened("small")
    press(page, Keys.TAB)
    assert js(page, "document.activeElement.className") == "skip"
    press(page, Keys.ENTER, "j")
    assert here(page) == [ONE, "summary"]
    press(page, "j", "k")
    assert (here(page)[0], js(page, "location.hash")) == (ONE, f"#{ONE}")
    press(page, "n")
    assert here(page)[0] == ONE and js(page, "document.activeElement.matches('summary, .note')")
    press(page, "n", "y")
    assert here(page) == [ONE, "note"]
    assert js(page, "location.hash").startswith(f"#{ONE}/net/core/dock.c/")
    late = "new HashChangeEvent('hashchange', {newURL: location.href.replace(/#.*/, '#commits')})"
    js(page, f"window.dispatchEvent({late})")
    assert here(page) == [ONE, "note"]
    press(page, "j", "o")
    before = js(page, "document.activeElement.parentElement.open")
    press(page, "o")
    assert js(page, "document.activeElement.parentElement.open") is not before
    press(page, "?")
    assert js(page, "document.getElementById('keys').open")
    press(page, Keys.ESCAPE)
    assert not js(page, "document.getElementById('keys').open")
    press(page, "e")
    assert js(page, "[...document.querySelectorAll('details.commit')].every(e => e.open)")
    press(page, "t", "t")
    assert js(page, "document.documentElement.dataset.theme") == "dark"
    assert js(page, "getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 27)"


def test_everything_can_be_reached_and_its_focus_is_seen(opened):
    page = opened("small")
    seen = []
    for _ in range(400):
        press(page, Keys.TAB)
        if js(page, "document.activeElement === document.body"):
            break
        seen.append(js(page, "document.activeElement.outerHTML.slice(0, 200)"))
        assert js(page, "getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert any('id="find"' in html for html in seen)
    assert sum(html.startswith("<summary") for html in seen) >= 8


def test_search_and_filters(opened):
    page = opened("small")
    press(page, "/", "tell more")
    assert shown(page) == [TWO]
    assert js(page, "document.getElementById('told').textContent") == "1 of 3 commits"
    press(page, Keys.ESCAPE)
    assert len(shown(page)) == 3
    press(page, "/", "foreign words")  # in a line of a diff
    assert shown(page) == [THREE]
    press(page, Keys.ESCAPE)
    select = "(e => { e.value = arguments[1]; e.dispatchEvent(new Event('change')); })"
    choose = f"{select}(document.getElementById(arguments[0]))"
    js(page, choose, "only", "speaks")
    assert shown(page) == [ONE, THREE]
    js(page, choose, "only", "=clean")
    assert shown(page) == [TWO]
    js(page, choose, "only", "")
    js(page, choose, "rule", "args")
    assert ONE in shown(page) and TWO not in shown(page)


@pytest.mark.parametrize(
    ("anchor", "focus", "row"),
    [
        (f"#{TWO}", TWO, None),
        (f"#{ONE}/net/core/dock.c/24", ONE, "24"),
        (f"#{ONE}/net/core/dock.c/u25", ONE, "25"),
        (f"#{ONE}/include/net/dock.h/3", ONE, "3"),  # in a fold, of a file that is not open
        (f"#{'0002' * 3}", TWO, None),  # upstream's name of it
    ],
)
def test_a_link_opens_what_it_names(opened, anchor, focus, row):
    page = opened("small", anchor=anchor)
    assert here(page)[0] == focus
    marked = js(
        page,
        "[...document.querySelectorAll('tr.here')].map(e => [e.checkVisibility(),"
        " ...[...e.querySelectorAll('td.n')].map(c => c.textContent)])",
    )
    assert [(seen, row in numbers) for seen, *numbers in marked] == ([(True, True)] if row else [])
    assert page.find_element("id", focus).is_displayed()


def test_a_click_on_a_number_gives_a_link_that_leads_back(opened):
    page = opened("small", anchor=f"#{ONE}")
    cell = page.find_element("css selector", "tr.x:not(.q) td.n:not(:empty)")
    cell.click()
    hash_ = js(page, "location.hash")
    assert hash_.startswith(f"#{ONE}/net/core/dock.c/u")
    again = opened("small", anchor=hash_)
    assert js(again, "document.querySelectorAll('tr.here').length") == 1


def test_hostile_text_does_nothing(opened):
    page = opened("hostile")
    press(page, "e", "j", "n", "y")
    assert js(page, "document.querySelectorAll('img, script').length") == 1  # our own
    assert js(page, "document.querySelectorAll('main b').length") >= 1
    assert "alert(1)" in js(page, "document.querySelector('details.commit').textContent")


def test_keys_do_no_harm_where_there_is_nothing(opened):
    page = opened("empty", anchor="#nowhere/a/1")
    press(page, "j", "k", "n", "p", "o", "e", "/", "y", "t", "g", "?")
    assert js(page, "document.getElementById('keys').open")


@pytest.mark.parametrize("width", [1400, 800, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_checker_of_accessibility_finds_nothing_serious(opened, width, theme):
    page = opened("small", width)
    js(page, "void (document.documentElement.dataset.theme = arguments[0])", theme)
    js(page, "void document.querySelectorAll('details').forEach(e => { e.open = true; })")
    page.execute_script(AXE.read_text(encoding="utf-8"))
    found = page.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, { resultTypes: ['violations'] }).then(r => done(r.violations.map("
        "v => [v.impact, v.id, ...v.nodes.slice(0, 3).map(n => n.html.slice(0, 120))])));"
    )
    assert [one for one in found if one[0] in {"serious", "critical"}] == []


@pytest.mark.parametrize("width", [1400, 800, 400])
def test_nothing_is_wider_than_the_window(opened, width):
    page = opened("small", width)
    press(page, "e")
    inner = js(page, "document.documentElement.clientWidth")
    assert js(page, "document.documentElement.scrollWidth") <= inner
    wide = "[...document.querySelectorAll('main *')].filter(e => e.checkVisibility() &&"
    wide += " !e.closest('.graph, .sr, thead') && e.getBoundingClientRect().right > innerWidth + 1)"
    assert js(page, f"{wide}.map(e => e.outerHTML.slice(0, 99))") == []


def test_five_hundred_commits_open_at_once(opened):
    times = []
    for _ in range(3):  # the machine may be busy with other tests: the best one counts
        page = opened("large")
        times.append(js(page, "performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"))
    assert 0 < min(times) < SECONDS
    assert js(page, "document.querySelectorAll('details.commit').length") == 500
    press(page, "/", "step 499 ")
    assert len(shown(page)) == 1
    assert {adapted().path, as_upstream("net/dock/part0.c").path} <= set(
        js(page, "[...document.querySelectorAll('details.file')].map(e => e.dataset.path)")
    )
