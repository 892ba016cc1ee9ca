"""The configuration stage, against a small tree whose Makefile answers as kbuild does."""

from __future__ import annotations

import pytest
from fake_kernel import make_tree, write_fragment

from backport.kernel import toolchain
from backport.kernel.configure import ConfigLost, ConfigureRequest, configure
from backport.kernel.toolchain import Toolchain
from backport.values.errors import BuildFailed, Exit, ManifestError, UsageError
from backport.values.events import Event, Note, StageFinished

GCC = Toolchain("gcc", "gcc (Debian 12.2.0-14) 12.2.0")


@pytest.fixture(autouse=True)
def compiler(monkeypatch):
    monkeypatch.setattr(toolchain, "probe", lambda: GCC)


@pytest.fixture
def request_for(tmp_path):
    source = make_tree(tmp_path / "src")

    def make(*texts: str, **more) -> ConfigureRequest:
        paths = tuple(
            write_fragment(tmp_path / f"{name}.config", text)
            for name, text in zip("abc", texts, strict=False)
        )
        defaults = {"source": source, "out": tmp_path / "o", "log": tmp_path / "config.log"}
        return ConfigureRequest(fragments=paths, **(defaults | more))

    return make


def calls(request: ConfigureRequest) -> list[str]:
    return (request.out / "calls").read_text().split()


def test_every_wish_is_laid_over_tinyconfig_and_proven(request_for):
    heard: list[Event] = []
    got = configure(
        request_for("CONFIG_NET=y\nCONFIG_GZIP=y\n# CONFIG_ACPI is not set\n", emit=heard.append)
    )
    text = got.config.read_text()
    assert "CONFIG_TINY=y" in text
    assert text.index("CONFIG_XZ=y") < text.index("CONFIG_GZIP=y")
    assert (got.requested, got.held, got.cached) == (3, 3, False)
    assert got.resolved == {"NET": "y", "GZIP": "y", "ACPI": "n"}
    assert len(got.sha256) == 64
    assert isinstance(heard[-1], StageFinished)
    assert "3 of 3" in heard[-1].detail


def test_lost_wishes_stop_with_place_and_reason(request_for):
    request = request_for("# why\nCONFIG_NET=y\n", "CONFIG_NETKIT=y\nCONFIG_VETH=y\n")
    (request.source / "refuse").write_text("VETH\n")
    with pytest.raises(ConfigLost) as caught:
        configure(request)
    err = caught.value
    assert err.exit_code is Exit.GATE
    assert err.log == request.log
    assert str(err).splitlines() == [
        "2 requested symbols were lost in the configuration",
        "b.config:1: CONFIG_NETKIT wanted y, got absent: not defined in this tree",
        "b.config:2: CONFIG_VETH wanted y, got n: depends on BPF (BPF is absent)",
    ]
    assert [loss.lost.symbol for loss in err.losses] == ["NETKIT", "VETH"]


def test_a_lost_configuration_is_not_taken_for_a_good_one_next_time(request_for):
    request = request_for("CONFIG_NETKIT=y\n", tree="one")
    for _ in range(2):
        with pytest.raises(ConfigLost):
            configure(request)
    assert calls(request) == ["tiny", "olddef"] * 2


def test_an_override_is_told_and_recorded(request_for):
    heard: list[Event] = []
    got = configure(request_for("CONFIG_NET=y\n", "CONFIG_NET=n\n", emit=heard.append))
    assert got.overrides == ("NET: a.config:1 y, then b.config:1 n",)
    assert Note("configure", got.overrides[0]) in heard
    assert got.resolved == {"NET": "n"}


def test_the_same_inputs_again_cost_no_make(request_for):
    request = request_for("CONFIG_NET=y\n", tree="one")
    first = configure(request)
    before = first.config.stat().st_mtime_ns
    again = configure(request)
    assert again.cached
    assert again.sha256 == first.sha256
    assert again.resolved == first.resolved
    assert again.config.stat().st_mtime_ns == before
    assert calls(request) == ["tiny", "olddef"]


@pytest.mark.parametrize("change", ["tree", "fragment", "variables", "config", "compiler"])
def test_whatever_decides_the_outcome_makes_it_run_again(request_for, change, monkeypatch):
    configure(request_for("CONFIG_NET=y\n", tree="one"))
    request = request_for("CONFIG_NET=y\n", tree="one")
    if change == "tree":
        request = request_for("CONFIG_NET=y\n", tree="two")
    elif change == "fragment":
        request = request_for("CONFIG_NET=y\nCONFIG_BPF=y\n", tree="one")
    elif change == "variables":
        request = request_for("CONFIG_NET=y\n", tree="one", variables={"WERROR": "0"})
    elif change == "config":
        (request.out / ".config").write_text("CONFIG_NET=y\n# edited\n")
    else:
        monkeypatch.setattr(toolchain, "probe", lambda: Toolchain("gcc", "gcc 14"))
    assert not configure(request).cached
    assert len(calls(request)) == 4


def test_without_a_tree_id_nothing_is_taken_from_an_earlier_run(request_for):
    request = request_for("CONFIG_NET=y\n")
    assert not configure(request).cached
    assert not configure(request).cached


def test_a_failing_make_is_a_build_failure_with_its_words(request_for):
    request = request_for("CONFIG_NET=y\n")
    (request.source / "scripts/olddefconfig").write_text("echo broken: no bison >&2; exit 3\n")
    with pytest.raises(BuildFailed, match="broken: no bison") as caught:
        configure(request)
    assert "broken" in caught.value.log.read_text()


def test_what_is_no_kernel_tree_is_refused(request_for, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/Makefile").write_text("all:\n")
    for source in (tmp_path / "other", tmp_path / "none"):
        with pytest.raises(UsageError, match="not a kernel tree"):
            configure(request_for("CONFIG_NET=y\n", source=source))
    assert not (tmp_path / "o").exists()


def test_a_missing_or_bad_fragment_and_an_unknown_arch_are_refused(request_for, tmp_path):
    request = request_for("CONFIG_NET=y\n")
    with pytest.raises(UsageError, match=r"gone\.config: cannot read"):
        configure(
            ConfigureRequest(request.source, request.out, (tmp_path / "gone.config",), request.log)
        )
    with pytest.raises(ManifestError, match=r"a\.config:1"):
        configure(request_for("NET=y\n"))
    with pytest.raises(UsageError, match=r"vax: unknown architecture"):
        configure(request_for("CONFIG_NET=y\n", arch="vax"))
