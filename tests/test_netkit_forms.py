"""What only one form of upstream's commits has: the rules of netkit on a few lines of our own.

A series is picked from the commits as they were made, or cut from a newer kernel. Each case is one
rule, the sides that it meets, and what becomes of them; the same target with the other form of the
commit leaves the rule out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from kernelish import Bench, change, make_tree

from backport.picking.pick import Outcome, Target, applicable
from backport.readers.rules import read_rules
from backport.values.version import Version

pytestmark = pytest.mark.slow  # a tree and a commit of git for each

RULES = {r.id: r for r in read_rules(Path(__file__).parents[1] / "patches" / "netkit" / "rules")}

DEV, NETKIT, SYSCALL = "net/core/dev.c", "drivers/net/netkit.c", "kernel/bpf/syscall.c"
TYPES, VRF, VETH = "include/linux/bpf_types.h", "drivers/net/vrf.c", "drivers/net/veth.c"
IF_LINK, BPF_H = "tools/include/uapi/linux/if_link.h", "include/uapi/linux/bpf.h"


@dataclass(frozen=True)
class Case:
    """The three sides of one path, and what the pick makes of them."""

    rule: str
    path: str
    base: str
    ours: str
    theirs: str
    want: str
    version: str = "6.1"
    other_form: str = ""  # a line of the other form of the commit, that the rule is not for


def inside(name: str, lines: str) -> str:
    return f"static int {name}(struct dock *dock)\n{{\n{lines}}}\n"


# Two ways to leave late; the first leaves before there are counters.
LATE = "\tret = f(%d);\n\tif (ret)\n\t\tgoto err_uninit;\n"
LATE += "\tret = notifier_to_errno(ret);\n\tif (ret)\n\t\tgoto %s;\n"
LATE_STEPS = [
    LATE + "\tif (late) {\n\t\tdev->reg_state = NETREG_UNREGISTERED;\n\t\tgoto %s;\n\t}\n",
    LATE + "\twrite_unlock(&dev_base_lock);\n\tif (ret)\n\t\tgoto %s;\n",
]

OLD = [
    Case(
        "maintainers",
        "MAINTAINERS",
        "BPF [NETWORKING] (tc BPF, sock_addr)\nF:\tbay\nF:\tpier\n\nBRIDGE\n",
        "BPF [NETWORKING] (tc BPF, sock_addr)\nF:\tbay\nF:\tpier\n\nBRIDGE\n",
        "BPF [NETWORKING] (tcx & tc BPF, sock_addr)\nF:\tbay\nF:\tinclude/net/tcx.h\n"
        "F:\tpier\n\nBPF [NETKIT] (a device)\nM:\tSomebody\nF:\tdrivers/net/netkit.c\n\nBRIDGE\n",
        "BPF [NETWORKING] (tc BPF, sock_addr)\nF:\tbay\nF:\tpier\n\nBRIDGE\n",
    ),
    Case(
        "vrf-stats-retry",
        VRF,
        inside("vrf_get_stats64", "\tcount += s->rx_pkts;\n\tend(retry(s));\n"),
        inside("vrf_get_stats64", "\tcount += s->rx_pkts;\n\tend(u64_stats_fetch_retry_irq(s));\n"),
        inside("vrf_get_stats64", "\tcount += s->rx_packets;\n\tend(retry(s));\n"),
        inside(
            "vrf_get_stats64", "\tcount += s->rx_packets;\n\tend(u64_stats_fetch_retry_irq(s));\n"
        ),
    ),
    Case(
        "veth-xmit-stats",
        VETH,
        inside("veth_xmit", "\tif (!napi)\n\t\tdev_lstats_add(dev, length);\n\telse\n\t\tf();\n"),
        inside("veth_xmit", "\tif (!napi)\n\t\tdev_lstats_add(dev, length);\n"),
        inside(
            "veth_xmit",
            "\tif (!napi)\n\t\tdev_sw_netstats_tx_add(dev, 1, length);\n\telse\n\t\tg();\n",
        ),
        inside("veth_xmit", "\tif (!napi)\n\t\tdev_sw_netstats_tx_add(dev, 1, length);\n"),
    ),
    Case(
        "link-create-check",
        SYSCALL,
        inside("link_create", "\tswitch (t) {\n\tcase XDP:\n\t\tbreak;\n\t}\n"),
        inside("link_create", "\tswitch (t) {\n\tcase XDP:\n\t\tbreak;\n\t}\n"),
        inside(
            "link_create",
            "\tswitch (t) {\n\tcase BPF_PROG_TYPE_SCHED_CLS:\n"
            "\t\tif (attr->link_create.attach_type != A &&\n\t\t    other != B) {\n"
            "\t\t\tret = 1;\n\t\t\tgoto out;\n\t\t}\n\t\tbreak;\n\tcase XDP:\n\t\tbreak;\n\t}\n",
        ),
        inside("link_create", "\tswitch (t) {\n\tcase XDP:\n\t\tbreak;\n\t}\n"),
        version="5.15",
        other_form="bpf_token_capable();",
    ),
    Case(
        "link-create-check-old",
        SYSCALL,
        inside("link_create", "\tcheck(t);\n\tswitch (t) {\n\t}\n"),
        inside("link_create", "\tret = all(t);\n"),
        inside("link_create", "\tcheck(t);\n\tif (attach_type != BPF_TCX_INGRESS)\n\t\tout();\n"),
        inside("link_create", "\tret = all(t);\n"),
        version="5.10",
        other_form="bpf_token_capable();",
    ),
    Case(
        "dev-blank-line",
        DEV,
        "#define MAX_NEST 8\n\n\nint a;\n",
        "#define MAX_NEST 8\n\n#define GRO_MAX_HEAD 9\n\nint a;\n",
        "#define MAX_NEST 8\n\nint a;\n",
        "#define MAX_NEST 8\n\n#define GRO_MAX_HEAD 9\n\nint a;\n",
        other_form="bpf_net_ctx_set();",
    ),
    Case(
        "ingress-old-reasons",
        DEV,
        inside("sch_handle_ingress", "\treturn run();\n") + "int a;\n",
        inside("sch_handle_ingress", "\ttcf_set_drop_reason();\n\treturn run();\n") + "int a;\n",
        "int a;\n",
        "int a;\n",
        other_form="bpf_net_ctx_set();",
    ),
    Case(
        "egress-old-reasons",
        DEV,
        inside("sch_handle_egress", "\treturn run();\n") + "int a;\n",
        inside("sch_handle_egress", "\ttcf_set_drop_reason();\n\treturn run();\n") + "int a;\n",
        "int a;\n",
        "int a;\n",
        other_form="bpf_net_ctx_set();",
    ),
    Case(
        "stats-alloc",
        DEV,
        inside(
            "f",
            "\tret = dev_index_reserve(dev);\n\tif (ret < 0)\n\t\tgoto err_uninit;\n\tg(ret);\n",
        ),
        inside("f", "\tif (!dev->ifindex)\n\t\tg(1);\n\telse if (h())\n\t\tgoto err_uninit;\n"),
        inside(
            "f",
            "\tret = netdev_do_alloc_pcpu_stats(dev);\n\tif (ret)\n\t\tgoto err_uninit;\n\n"
            "\tret = dev_index_reserve(dev);\n\tif (ret < 0)\n\t\tgoto err_free_pcpu;\n\tg(ret);\n",
        ),
        inside(
            "f",
            "\tret = netdev_do_alloc_pcpu_stats(dev);\n\tif (ret)\n\t\tgoto err_uninit;\n\n"
            "\tif (!dev->ifindex)\n\t\tg(1);\n\telse if (h())\n\t\tgoto err_free_pcpu;\n",
        ),
    ),
    Case(
        "stats-alloc-undo",
        DEV,
        inside("f", "err_ifindex_release:\n\trelease(dev);\nerr_uninit:\n\tuninit(dev);\n"),
        inside("f", "err_uninit:\n\tuninit(dev);\n"),
        inside(
            "f",
            "err_ifindex_release:\n\trelease(dev);\nerr_free_pcpu:\n\tfree(dev);\n"
            "err_uninit:\n\tuninit(dev);\n",
        ),
        inside("f", "err_free_pcpu:\n\tfree(dev);\nerr_uninit:\n\tuninit(dev);\n"),
    ),
    *(
        Case(
            "stats-alloc-undo-late",
            DEV,
            "int a;\n",
            "int a;\n" + inside("register_netdevice", steps % (0, *["err_uninit"] * 2)),
            "int b;\nint a;\n",
            "int b;\nint a;\n" + inside("register_netdevice", steps % (0, *["err_free_pcpu"] * 2)),
        )
        for steps in LATE_STEPS
    ),
    Case(
        "stats-alloc-free",
        DEV,
        "int a;\n" + inside("netdev_run_todo", "\tWARN(dev->ip6);\n\n\tdestroy(dev);\n"),
        "int CONFIG_DECNET;\n"
        + inside("netdev_run_todo", "\tWARN(dev->ip6);\n\tWARN(dev->dn);\n\tdestroy(dev);\n"),
        "int a;\n"
        + inside("netdev_run_todo", "\tWARN(dev->ip6);\n\n\tfree_stats(dev);\n\tdestroy(dev);\n"),
        "int CONFIG_DECNET;\n"
        + inside(
            "netdev_run_todo",
            "\tWARN(dev->ip6);\n\tWARN(dev->dn);\n\tfree_stats(dev);\n\tdestroy(dev);\n",
        ),
    ),
    Case(
        "link-types-absent",
        TYPES,
        "int a;\n",
        "int a;\n",
        "int a;\nBPF_LINK_TYPE(BPF_LINK_TYPE_NETFILTER, netfilter)\n"
        "BPF_LINK_TYPE(BPF_LINK_TYPE_UPROBE_MULTI, uprobe)\nBPF_LINK_TYPE(BPF_LINK_TYPE_X, x)\n",
        "int a;\nBPF_LINK_TYPE(BPF_LINK_TYPE_X, x)\n",
        other_form="BPF_LINK_TYPE(BPF_LINK_TYPE_SOCKMAP, sockmap)",
    ),
    Case(
        "tools-if-link-sync",
        IF_LINK,
        "enum {\n\tIFLA_ONE,\n};\n\nint end;\n",
        "enum {\n\tIFLA_ONE,\n};\n\nint end;\n",
        "enum {\n\tIFLA_ONE,\n\tIFLA_TWO,\n};\n\n"
        "int other;\n\n/* netkit section */\nenum {\n\tIFLA_NETKIT_X,\n};\n\nint end;\n",
        "enum {\n\tIFLA_ONE,\n};\n\n"
        "/* netkit section */\nenum {\n\tIFLA_NETKIT_X,\n};\n\nint end;\n",
    ),
    Case(
        "tools-if-link-blank",
        IF_LINK,
        "\tIFLA_TSO_MAX_SEGS,\n\n\t__LAST\n",
        "\t__LAST\n",
        "\tIFLA_TSO_MAX_SEGS,\n\t__LAST\n",
        "\t__LAST\n",
    ),
    Case(
        "tools-if-link-dsa",
        IF_LINK,
        "int a;\n/* DSA section */\nint old;\nint b;\n",
        "int a;\nint b;\n",
        "int a;\n/* DSA section */\nint young;\nint b;\n",
        "int a;\nint b;\n",
    ),
    Case(
        "netfilter-link-header-old",
        SYSCALL,
        "#include <a.h>\n#include <net/netfilter/nf_bpf_link.h>\n#include <b.h>\n",
        "#include <a.h>\n#include <c.h>\n",
        "#include <a.h>\n#include <b.h>\n",
        "#include <a.h>\n#include <c.h>\n",
        other_form="bpf_token_capable();",
    ),
    Case(
        "netfilter-link-header",
        SYSCALL,
        "#include <a.h>\n",
        "#include <a.h>\n",
        "#include <a.h>\n#include <net/netfilter/nf_bpf_link.h>\n#include <net/netkit.h>\n",
        "#include <a.h>\n#include <net/netkit.h>\n",
        other_form="bpf_token_capable();",
    ),
    Case(
        "netfilter-egress-mac",
        NETKIT,
        inside("f", "\tnf_skip_egress(skb, true);\n\tset_mac(skb);\n"),
        inside("f", "\tset_mac(skb);\n"),
        inside("f", "\tnf_skip_egress(skb, true);\n\tset_type(skb);\n"),
        inside("f", "\tset_type(skb);\n"),
        version="5.15",
        other_form="dev->lltx = true;",
    ),
    Case(
        "netif-rx-counted",
        NETKIT,
        inside("f", "\t__netif_rx(skb);\n"),
        inside("f", "\tnetif_rx(skb);\n"),
        inside("f", "\tif (netif_rx(skb))\n\t\tgoto drop_stats;\n"),
        inside("f", "\tif (netif_rx(skb))\n\t\tgoto drop_stats;\n"),
        version="5.15",
        other_form="dev->lltx = true;",
    ),
    Case(
        "tx-dropped-label",
        NETKIT,
        inside("f", "\tfree(skb);\n\tcount_inc(dev);\n"),
        inside("f", "\tfree(skb);\n\tatomic(dev);\n"),
        inside("f", "\tfree(skb);\ndrop_stats:\n\tcount_inc(dev);\n"),
        inside("f", "\tfree(skb);\ndrop_stats:\n\tatomic(dev);\n"),
        version="5.15",
        other_form="dev->lltx = true;",
    ),
]
REASON = "\tkfree_skb_reason(skb, %s);\n"
NEW = [
    Case(
        "lltx",
        NETKIT,
        "int a;\n",
        "int a;\n",
        "int a;\n\tdev->lltx = true;\n",
        "int a;\n\tdev->features |= NETIF_F_LLTX;\n",
        other_form="int a;",
    ),
    Case(
        "alloc-profiling",
        "include/net/tcx.h",
        "int a;\n",
        "int a;\n",
        "int a;\nint *tcx_entry_create_noprof(void)\n{\n\treturn kzalloc_noprof(1);\n}\n"
        "#define tcx_entry_create(...) hooked(__VA_ARGS__)\n",
        "int a;\nint *tcx_entry_create(void)\n{\n\treturn kzalloc(1);\n}\n",
        other_form="int a;",
    ),
    Case(
        "net-capable",
        "include/linux/bpf_mprog.h",
        "int a;\n",
        "int a;\n",
        "int a;\n\tif (bpf_net_capable())\n",
        "int a;\n\tif (capable(CAP_NET_ADMIN) || capable(CAP_SYS_ADMIN))\n",
        other_form="int a;",
    ),
    Case(
        "bpf-net-context-netkit",
        NETKIT,
        "int a;\n",
        "int a;\n",
        "int a;\n\tstruct bpf_net_context __bpf_net_ctx, *bpf_net_ctx;\n"
        "\tbpf_net_ctx = bpf_net_ctx_set(&__bpf_net_ctx);\n\tbpf_net_ctx_clear(bpf_net_ctx);\n",
        "int a;\n",
        other_form="int a;",
    ),
    Case(
        "tc-bypass-sw",
        DEV,
        "int a;\n",
        "int a;\n",
        "int a;\n\t/* Block-wise bypass */\n"
        "\tif (tcf_block_bypass_sw(block))\n\t\treturn ret;\n\nint b;\n",
        "int a;\nint b;\n",
        other_form="int a;",
    ),
    Case(
        "attach-mask",
        SYSCALL,
        "#define MASK (A)\nint a;\n",
        "#define MASK (B)\nint a;\n",
        "#define BPF_F_ATTACH_MASK_MPROG (A |\t\\\n\t BPF_F_PREORDER)\nint a;\n",
        "#define BPF_F_ATTACH_MASK_MPROG (A)\nint a;\n",
        other_form="int a;",
    ),
    Case(
        "uapi-attach-flags",
        BPF_H,
        "#define F_X 1\n#define BPF_F_PREORDER 64\n#define F_Y 2\n",
        "#define F_X 1\n#define F_Y 2\n",
        "#define F_X 1\n#define BPF_F_PREORDER 64\n#define BPF_F_BEFORE 8\n#define F_Y 2\n",
        "#define F_X 1\n#define BPF_F_BEFORE 8\n#define F_Y 2\n",
        other_form="#define BPF_F_BEFORE 8",
    ),
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def pick_case(bench, case, rule, ours=None):
    bench.version = Version.parse(case.version)
    trees = [
        make_tree(bench.git, {case.path: side})
        for side in (case.base, case.theirs, case.ours if ours is None else ours)
    ]
    shas = tuple(sha.ljust(40, "0") for sha in rule.commits)
    return bench.pick_trees(change(bench.git, trees[0], trees[1], shas=shas), trees[2], rule)


@pytest.mark.parametrize("case", OLD + NEW, ids=lambda case: case.rule)
def test_a_rule_meets_its_form(bench, case):
    got = pick_case(bench, case, RULES[case.rule])
    assert got.conflicts == ()
    assert bench.read(got, case.path).decode() == case.want
    assert {a.rule.id for a in got.adaptations} == {case.rule}
    assert got.unaccounted == ()


@pytest.mark.parametrize("case", [c for c in OLD + NEW if c.other_form], ids=lambda case: case.rule)
def test_a_rule_leaves_the_other_form_alone(bench, case):
    rule = RULES[case.rule]
    base, ours = (make_tree(bench.git, {case.path: side}) for side in (case.base, case.ours))
    theirs = f"int other;\n{case.other_form}\n"
    incoming = change(
        bench.git,
        base,
        make_tree(bench.git, {case.path: theirs}),
        (rule.commits[0].ljust(40, "0"),),
    )
    target = Target(bench.git, Version.parse(case.version))
    assert applicable([rule], incoming, ours, target) == []


REASONS = ["drop_reason", "SKB_DROP_REASON_TC_EGRESS", "SKB_DROP_REASON_TC_INGRESS"]


@pytest.mark.parametrize("reason", REASONS)
def test_a_drop_reason_in_each_spelling(bench, reason):
    sides = ("int a;\n", "int a;\n", "int a;\n" + REASON % reason)
    case = Case("drop-reasons", DEV, *sides, "int a;\n\tkfree_skb(skb);\n", version="5.15")
    test_a_rule_meets_its_form(bench, case)


@pytest.mark.parametrize("name", sorted(i for i in RULES if i.endswith("-there")))
def test_what_stable_trees_took_is_there(bench, name):
    rule = RULES[name]
    (path,), word = rule.paths, rule.action.symbol
    case = Case(name, path, "int a;\n", f"int a;\nint {word};\n", "int b;\n", "")
    assert pick_case(bench, case, rule).outcome is Outcome.ALREADY
    assert pick_case(bench, case, rule, ours="int a;\n").outcome is Outcome.CLEAN
