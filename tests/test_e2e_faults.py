"""Faults put into the port on purpose, on real input: each is caught by the gate that is for it.

The rules are those of netkit with one thing spoilt, in a copy of the data folder; the target is
debian-5.10. The last one is built and booted, because nothing but a packet shows it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backport.doors.cache import Cache
from backport.doors.git import Entry, Git
from backport.picking import pick
from backport.picking.ground import Asked, open_ground
from backport.readers import manifest
from backport.values.csource import join_lines, split_lines
from backport.values.events import silent

pytestmark = [pytest.mark.e2e, pytest.mark.network]

ROOT = Path(__file__).resolve().parents[1]
BACKPORT = Path(sys.executable).with_name("backport")
TARGET = "debian-5.10"
COLD = 40 * 60  # seconds; a bound against a hang


class Spoilt:
    """A copy of the data folder, to be spoilt."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("patches", "kconfig", "qemu"):
            shutil.copytree(ROOT / name, folder / name)

    @property
    def rules(self):
        return self.folder / "patches/netkit/rules"

    def without(self, *ids):
        """Take rules out."""
        for file in self.rules.glob("*.toml"):
            parts = re.split(r"^(?=\[\[rule\]\])", file.read_text(), flags=re.M)
            kept = [part for part in parts if not any(f'id = "{x}"' in part for x in ids)]
            file.write_text("".join(kept))
        return self

    def change(self, name, old, new):
        """Change one place of a rule file."""
        file = self.rules / name
        text = file.read_text()
        assert text.count(old) == 1, f"{name} has changed: {old}"
        file.write_text(text.replace(old, new))
        return self

    def add(self, rule):
        """Put a rule behind all others."""
        head = 'cause = "seeded"\n\n[[rule]]\nid = "seeded"\nwhy = "to be caught"\n'
        (self.rules / "99-seeded.toml").write_text(head + rule)
        return self

    def call(self, command, *more):
        return subprocess.run(
            [BACKPORT, command, "netkit", "--target", TARGET, "--json", *more],
            env={**os.environ, "BACKPORT_DATA": str(self.folder)},
            capture_output=True, text=True, timeout=COLD, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def run(self, command, *more):
        done = self.call(command, "--force", *more)
        record = json.loads(done.stdout)
        failed = [gate for gate in record["gates"] if gate["outcome"] == "failed"]
        return done.returncode, failed, record, done.stderr


@pytest.fixture
def spoilt(tmp_path):
    return Spoilt(tmp_path / "data")


def caught(spoilt, gate, *texts, command="pick"):
    code, failed, record, err = spoilt.run(command)
    assert (code, [g["name"] for g in failed]) == (4, [gate]), err
    for text in texts:
        assert text in err
    return record


def test_functions_of_another_release_that_a_merge_slips_in(spoilt):
    """Upstream's side of the old egress hook holds the queue mapping of 5.19 around it."""
    old = "take = \"ours\"\nthen = [{ find = '(?s)\\A.*\\Z', replace = '' }]\n"
    spoilt.without("egress-old-guard").change("30-structure.toml", old, 'take = "theirs"\n')
    caught(spoilt, "accounting", "net/core/dev.c: foreign x1: 'netdev_tx_queue_mapping(")


def test_numbers_that_userspace_does_not_know(spoilt):
    caught(
        spoilt.without("pin-netkit"),
        "uapi",
        "BPF_NETKIT_PRIMARY is 48, upstream has 54",
        "BPF_NETKIT_PEER is 49, upstream has 55",
    )


def test_a_last_field_that_refuses_large_revisions(spoilt):
    spoilt.without("link-create-last-field")
    caught(spoilt, "uapi", "BPF_LINK_CREATE_LAST_FIELD ends at byte")


def test_a_function_that_is_there_twice(spoilt):
    spoilt.add(
        'commits = ["e420bed02507"]\npath = "kernel/bpf/syscall.c"\n'
        "insert = { after = '^#include <net/tcx\\.h>$', lines = '''\n\n"
        "static int bpf_prog_query(void)\n{\n\treturn 0;\n}\n''' }\n"
    )
    caught(spoilt, "form", "kernel/bpf/syscall.c: bpf_prog_query is defined twice")


def test_a_name_that_nothing_brings(spoilt):
    caught(spoilt.without("netif-rx"), "symbols", "call __netif_rx", "upstream has it in")


def test_a_symbol_of_the_configuration_that_is_lost(spoilt):
    spoilt.add(
        'commits = ["35dfaad7188c"]\npath = "drivers/net/Kconfig"\n'
        "rewrite = [{ find = '^config NETKIT\\n(?:[ \\t].*\\n|\\n)*', replace = '' }]\n"
    )
    record = caught(spoilt, "config", "CONFIG_NETKIT wanted y", command="build")
    assert record["build"] is None


def test_an_export_that_only_a_variant_has_twice(spoilt):
    """What broke a known backport: NET_EGRESS without NET_XGRESS."""
    spoilt.add(
        'commits = ["e420bed02507"]\npath = "net/core/dev.c"\n'
        "insert = { before = '^#ifdef CONFIG_NET_XGRESS$', lines = '''\n"
        "#ifndef CONFIG_NET_XGRESS\nEXPORT_SYMBOL_GPL(net_inc_egress_queue);\n#endif\n''' }\n"
        "count = 0\n"
    )
    code, failed, _, err = spoilt.run("build")
    assert (code, [gate["name"] for gate in failed]) == (4, ["objects"]), err
    assert "net/core/dev.c" in err and "without BPF (without-bpf.config)" in err


def test_a_hunk_that_a_merge_loses(monkeypatch):
    """As a merge tool with a defect would: a run of added lines is not there afterwards."""
    asked = Asked(manifest.find_data_root(), "netkit", TARGET)
    ground = open_ground(asked, Cache.default(), silent)
    path, merge = "kernel/bpf/tcx.c", Git.merge_trees
    upstream = ground.incoming[1]  # tcx

    def losing(git, base, ours, theirs):
        result = merge(git, base, ours, theirs)
        entry = git.entries(result.tree).get(path)
        if entry is None:
            return result
        lines = split_lines(git.blob(entry.oid))
        at = next(i for i, line in enumerate(lines) if "tcx_prog_detach(" in line)
        lost = git.write_blob(join_lines([*lines[:at], *lines[at + 4 :]]))
        tree = git.edit_tree(result.tree, {path: Entry(entry.mode, lost)})
        return type(result)(tree, result.unmerged)

    first = pick.pick(
        ground.incoming[0], ground.base.commit, ground.base.tree,
        pick.applicable(ground.rules, ground.incoming[0], ground.base.tree, ground.target),
        ground.target,
    )  # fmt: skip
    rules = pick.applicable(ground.rules, upstream, first.tree, ground.target)
    monkeypatch.setattr(Git, "merge_trees", losing)
    result = pick.pick(upstream, first.commit, first.tree, rules, ground.target)
    lost = [odd for odd in result.unaccounted if odd.surplus < 0]
    assert lost and {odd.path for odd in lost} == {path}
    assert any("tcx_prog_detach(" in odd.line for odd in lost)


def test_counters_that_nothing_allocates(spoilt):
    """5.10 takes the NULL pointer for this CPU's own memory: no Oops, and tc_netkit passes."""
    text = "\tdev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);\n"
    spoilt.change("30-structure.toml", text, "")
    spoilt.change("30-structure.toml", "\treturn dev->tstats ? 0 : -ENOMEM;\n", "\treturn 0;\n")
    code, failed, record, err = spoilt.run("test", "--suite", "tc_netkit", "--suite", "port_netkit")
    assert (code, [gate["name"] for gate in failed]) == (1, ["boot and tests"]), err
    suites = {s["suite"]: {c["name"]: c["outcome"] for c in s["cases"]} for s in record["tests"]}
    assert set(suites) == {"tc_netkit", "port_netkit"}
    assert suites["port_netkit"]["packets_counted"] == "failed"


def test_statistics_that_change_by_being_read(spoilt):
    """A port that is known did this: each look at a netkit device counts a packet as dropped."""
    spoilt.add(
        'commits = ["35dfaad7188c"]\npath = "drivers/net/netkit.c"\n'
        "rewrite = [{ find = 'DEV_STATS_READ\\(dev, tx_dropped\\)', "
        "replace = 'dev->stats.tx_dropped++' }]\n"
    )
    done = spoilt.call("interop", "--quick")
    told = json.loads(done.stdout)["failures"]
    assert done.returncode == 1, done.stderr
    assert told == [
        f"{TARGET}: reading:netkit_{mode}: adds drops, expected changes nothing"
        for mode in ("l2", "l3")
    ]
