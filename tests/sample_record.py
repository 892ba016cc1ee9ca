"""A run record as a real run leaves it, for the tests of everything that shows one."""

from __future__ import annotations

from dataclasses import replace

from backport.values.record import (
    Adaptation,
    Base,
    Build,
    Case,
    Config,
    Control,
    Failure,
    Gate,
    Guest,
    LeftOut,
    Pick,
    RunRecord,
    Stage,
    Suite,
    Upstream,
)

MPROG = "053c8e1f235dc3f69d13375b32f4209228e1cb96"
TCX = "e420bed025071a623d2720a92bc2245c84757ecb"
NETKIT = "35dfaad7188cdc043fde31709c796f5a692ba2bd"

LINKS = ("basic", "before", "after", "first", "last", "replace", "invalid", "revision")
OPTS = ("basic", "before", "after", "revision", "replace", "invalid", "append", "demixed", "query")
NETKITS = ("basic", "device", "multi_links", "multi_opts", "neigh_links", "pkt_type", "scrub")

COMMITS = (
    ("bpf: Add generic attach/detach/query API for multi-progs", "resolved", MPROG),
    ("bpf: Add fd-based tcx multi-prog infra with link support", "resolved", TCX),
    ("libbpf: Add opts-based attach/detach/query API for tcx", "clean", "fe20ce3a5126" + "0" * 28),
    ("libbpf: Add link-based API for tcx", "clean", "55cc3768473e" + "1" * 28),
    ("libbpf: Add helper macro to clear opts structs", "clean", "4e9c2d9af561" + "2" * 28),
    ("bpftool: Extend net dump with tcx progs", "already-applied", "57c61da8bff4" + "3" * 28),
    ("tcx: Fix splat in ingress_destroy upon tcx_entry_free", "clean", "dc644b540a2d" + "4" * 28),
    ("bpf: Fix mprog detachment for empty mprog entry", "clean", "d210f9735e13" + "5" * 28),
    ("netkit, bpf: Add bpf programmable net device", "resolved", NETKIT),
    ("tools: Sync if_link uapi header", "resolved", "5c1b994de4be" + "6" * 28),
    ("libbpf: Add link-based API for netkit", "clean", "05c31b4ab205" + "7" * 28),
    ("bpftool: Implement link show support for netkit", "clean", "92a85e18ad47" + "8" * 28),
    ("bpftool: Extend net dump with netkit progs", "clean", "bec981a4add6" + "9" * 28),
    ("bpf: Fix too early release of tcx_entry", "dropped", "1cb6f0bae504" + "a" * 28),
)
RULES = {MPROG: ("mprog-uapi-attr",), TCX: ("tcx-xchg", "tcx-sch-handle"), NETKIT: ("netkit-lltx",)}
PATHS = {
    MPROG: ("include/uapi/linux/bpf.h",),
    TCX: ("net/core/dev.c", "include/linux/skbuff.h"),
    NETKIT: ("drivers/net/Makefile",),
}


def pick(number: int, subject: str, outcome: str, sha: str) -> Pick:
    committed = outcome in ("clean", "resolved")
    return Pick(
        sha,
        subject,
        outcome,
        commit=f"{number:02d}ab" * 10 if committed else "",
        stands_for=(sha, "117211aa739a926e6555cfea883be84bee6f1695") if sha == TCX else (sha,),
        conflicts=PATHS.get(sha, ()),
        rules=RULES.get(sha, ()),
        incoming=f"{number:02d}cd" * 10,
    )


def suite(name: str, cases: tuple[str, ...], outcome: str = "passed", detail: str = "") -> Suite:
    rows = tuple(Case(f"{name}_{case}", outcome, detail) for case in cases)
    good = len(rows) if outcome == "passed" else 0
    return Suite(name, good, len(rows) - good, 0, rows, outcome, seconds=11.4)


def suites(outcome: str = "passed", detail: str = "") -> tuple[Suite, ...]:
    names = {"tc_netkit": NETKITS, "tc_links": LINKS, "tc_opts": OPTS}
    return tuple(suite(name, cases, outcome, detail) for name, cases in names.items())


def sample(**changes: object) -> RunRecord:
    """A run that passed; `changes` replace fields."""
    return replace(PASSED_RUN, **changes)  # type: ignore[arg-type]


PASSED_RUN = RunRecord(
    series="netkit",
    target="debian-6.1",
    outcome="passed",
    exit_code=0,
    id="20260714T101112.345Z-3f9a",
    pid=4242,
    version="0.1.0",
    started="2026-07-14T10:11:12Z",
    finished="2026-07-14T10:25:46Z",
    seconds=874.2,
    command="backport run netkit --target debian-6.1",
    base=Base(
        "6.1.192",
        "Debian bookworm: linux-source-6.1 6.1.192-2",
        "9f3c" * 16,
        "3f2a9c41" * 5,
        "linux-source-6.1 6.1.192-2",
        "77aa" * 10,
    ),
    upstream=Upstream(
        "snapshot", "linux-source-6.1 6.1.192-2 .. linux-source-6.12 6.12.30-1", "6.12.30"
    ),
    branch="backport/netkit/debian-6.1",
    head="0dab" * 10,
    tree="be5c" * 10,
    picks=tuple(pick(n, *row) for n, row in enumerate(COMMITS, 1)),
    adaptations=(
        Adaptation(
            "mprog-uapi-attr",
            "6.1 has no attach_flags in the query part of union bpf_attr",
            "include/uapi/linux/bpf.h",
            "context",
            "01ab" * 10,
            4,
            1,
        ),
        Adaptation(
            "tcx-xchg", "6.1 has no sch_skb_ext; the <ext> hook is kept", "net/core/dev.c", "api"
        ),
        Adaptation(
            "tcx-sch-handle",
            "sch_handle_ingress() still takes `struct packet_type **` & returns early on a miss",
            "net/core/dev.c",
            "signature",
            "02ab" * 10,
            12,
            9,
        ),
        Adaptation(
            "netkit-lltx",
            "dev->lltx came with v6.12 (00d066a4d4ed); older kernels say NETIF_F_LLTX",
            "drivers/net/netkit.c",
            "api",
            "09ab" * 10,
            1,
            1,
        ),
    ),
    gates=(
        Gate("accounting", "passed", "2,114 lines of upstream, 2,087 kept, 27 by 4 rules"),
        Gate("form", "passed", "no markers, no duplicate definitions in 31 files"),
        Gate("symbols", "passed", "412 identifiers"),
        Gate("uapi", "passed", "58 assertions"),
        Gate("objects", "not-run", "only with --bisect"),
        Gate("config", "passed", "57 of 57 symbols"),
        Gate("log", "passed", "no WARN, BUG or Oops in 612 lines"),
    ),
    config=Config(
        "build/.config",
        "ab12" * 16,
        57,
        57,
        {"CONFIG_NETKIT": "y", "CONFIG_BPF_SYSCALL": "y", "CONFIG_LOCALVERSION": '""'},
        fragments=("base.config", "netkit.config"),
    ),
    build=Build(
        "bzImage",
        "cd34" * 16,
        341.7,
        3,
        "gcc 12.2.0",
        False,
        {"net/core/dev.c": 2, "drivers/net/netkit.c": 1},
    ),
    tests=suites(),
    guest=Guest("passed", "tcg", 68.1, "logs/guest.log"),
    controls=(
        Control(
            "base",
            "6.1.0-37-cloud-amd64",
            "fail",
            True,
            suites("failed", "create netkit device: Operation not supported"),
            31.0,
        ),
        Control("donor", "6.12.30-cloud-amd64", "pass", True, suites(), 71.3),
    ),
    artifacts={
        "series": "series",
        "markdown": "report.md",
        "html": "report.html",
        "config": "config",
        "guest log": "logs/guest.log",
    },
    stages=(
        Stage("base", "done", 88.0, False, "6.1.192, 78,921 files"),
        Stage("pick", "done", 2.1, False, "14 commits"),
        Stage("build", "done", 341.7, False, "bzImage"),
        Stage("boot", "done", 68.1, False, "24 passed"),
    ),
    left_out=(
        LeftOut("6d9b262afe0ec1d6e0ef99321ca9d6b921310471", "net: queue leasing", "needs v6.19"),
        LeftOut("b789e3fe8ffa" + "b" * 28, "netkit: Support for io_uring zero-copy", "queue API"),
    ),
    tools={"git": "2.39.5", "gcc": "12.2.0", "qemu-system-x86_64": "7.2.22", "python": "3.11.7"},
)

STOPPED_RUN = replace(
    PASSED_RUN,
    outcome="conflicts",
    exit_code=3,
    head="",
    tree="",
    picks=(
        *PASSED_RUN.picks[:8],
        replace(
            PASSED_RUN.picks[8],
            outcome="conflict",
            commit="",
            rules=(),
            conflicts=("drivers/net/Makefile", "drivers/net/Kconfig"),
        ),
    ),
    adaptations=PASSED_RUN.adaptations[:3],
    gates=(),
    config=None,
    build=None,
    tests=(),
    guest=None,
    controls=(),
    artifacts={"log": "logs/pick.log"},
    stages=PASSED_RUN.stages[:1],
    seconds=91.4,
    failure=Failure(
        "netkit, bpf: Add bpf programmable net device: 2 conflicts that no rule settles",
        "backport continue",
        "logs/pick.log",
    ),
)
