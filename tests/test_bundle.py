"""bundle and verify from the command line, on a world whose kernel is built in a moment."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from minikernel import SERIES, TARGET, buildable_world, copy_world, snapshot

from backport.doors.rundir import write_record
from backport.evidence import statement
from backport.evidence.archive import pack, unpack
from backport.evidence.inputs import tree_id
from backport.evidence.statement import STATEMENT, TEST_RESULT
from backport.values.record import RunRecord

RULES = f"inputs/patches/{SERIES}/rules/10-all.toml"


pytestmark = pytest.mark.slow  # whole runs of the command line


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A world with a kernel built in it, and the run's bundle."""
    world = buildable_world(tmp_path_factory.mktemp("built") / "world")
    ran = world.run(*world.argv("build"))
    assert ran.code == 0, ran.err
    ran = world.run("bundle", "--output", str(world.root / "b.tar"))
    assert ran.code == 0, ran.err
    return world


@pytest.fixture
def world(built, tmp_path):
    """One that a test may change."""
    return copy_world(built, tmp_path / "world")


def verify(world, *more, data=None):
    """Verify the world's bundle, or other bytes in its place."""
    file = world.root / "b.tar"
    if data is not None:
        file = world.root / "other.tar"
        file.write_bytes(data)
    return world.run("verify", str(file), *more)


def checks(ran):
    return {row["name"]: row["outcome"] for row in ran.json["checks"]}


def members(world):
    return unpack((world.root / "b.tar").read_bytes(), "b.tar")


def restated(parts):
    """A bundle as a forger makes it, who has read the code: all hashes are right."""
    inputs = {n.removeprefix("inputs/"): d for n, d in parts.items() if n.startswith("inputs/")}
    record = RunRecord.from_json({**json.loads(parts["run.json"]), "inputs": tree_id(inputs)})
    parts = {**parts, "run.json": json.dumps(record.to_json()).encode()}
    rest = {n: d for n, d in parts.items() if not n.startswith((STATEMENT, TEST_RESULT))}
    rest[TEST_RESULT] = statement.encode(statement.test_result(record, rest))
    rest[STATEMENT] = statement.encode(statement.provenance(record, rest))
    return pack(rest)


def test_a_bundle_holds_the_run_and_verifies(built):
    found, record = members(built), built.record()
    assert {name.split("/")[0] for name in found} == {
        "inputs", "kernel.config", "logs", "run.json", "series", STATEMENT, TEST_RESULT,
    }  # fmt: skip
    assert json.loads(found["run.json"]) == record
    for name in (f"patches/{SERIES}/series.toml", "kconfig/net.config"):
        assert found[f"inputs/{name}"] == (built.data / name).read_bytes()
    assert len([name for name in found if name.startswith("series/")]) == 4
    ran = verify(built, "--json")
    assert ran.code == 0, ran.err
    assert checks(ran) == {
        "archive": "passed", "signature": "not-run", "members": "passed", "record": "passed",
        "statement": "passed", "inputs": "passed", "config": "passed",
        "logs": "not-run", "patches": "passed",
    }  # fmt: skip
    assert "patches" in ran.err and verify(built, "--quiet").err == ""


def test_the_statement_names_what_went_in_and_what_came_out(built):
    record = built.record()
    value = json.loads(members(built)[STATEMENT])
    results = {row["annotations"]["result"]: row["digest"] for row in value["subject"][:3]}
    assert results == {
        "image": {"sha256": record["build"]["sha256"]},
        "head": {"gitCommit": record["head"]},
        "tree": {"gitTree": record["tree"]},
    }
    sources = value["predicate"]["buildDefinition"]["resolvedDependencies"]
    commits = [row["digest"].get("gitCommit") for row in sources]
    assert {*built.shas, record["base"]["commit"]} <= {*commits}
    details = value["predicate"]["runDetails"]
    assert details["metadata"]["invocationId"] == record["id"]
    assert {"backport", "git", "gcc", "make"} <= details["builder"]["version"].keys()


def test_the_same_run_gives_the_same_bytes_and_bundling_changes_no_run(world):
    before = snapshot(world.cache, less=["store.git/objects"])
    ran = world.run("bundle", world.record()["id"], "-o", str(world.root / "again.tar"), "--json")
    assert ran.code == 0 and ran.json["head"] == world.record()["head"]
    assert (world.root / "again.tar").read_bytes() == (world.root / "b.tar").read_bytes()
    assert snapshot(world.cache, less=["store.git/objects"]) == before


def test_a_signed_bundle_is_its_signers(world, tmp_path):
    keys = tmp_path / "keys"
    keys.mkdir()
    for name in ("mine", "other"):
        keygen(keys / name)
    (keys / "signers").write_text(f"rm@example.org {(keys / 'mine.pub').read_text()}")
    ran = world.run("bundle", "-o", str(world.root / "b.tar"), "--sign-ssh", str(keys / "mine"))
    assert ran.code == 0, ran.err
    ran = verify(world, "--allowed-signers", str(keys / "signers"))
    assert ran.code == 0 and "signature     rm@example.org, ED25519" in ran.out
    (keys / "signers").write_text(f"rm@example.org {(keys / 'other.pub').read_text()}")
    ran = verify(world, "--allowed-signers", str(keys / "signers"))
    assert ran.code == 4 and "is no allowed signer's" in ran.err
    unsigned = restated(members(world))
    ran = verify(world, "--allowed-signers", str(keys / "signers"), data=unsigned)
    assert ran.code == 4 and "statement.json.sig: is not in it" in ran.err
    assert verify(world, data=unsigned).code == 0


def keygen(path):
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


# -- repeated


@pytest.mark.slow
def test_rebuild_gives_the_same_commits_and_image_and_leaves_all_as_it_was(world):
    world.rules("cause = 'none'\n\nrule = []\n")  # the checkout's rules are no matter
    before = snapshot(world.root, less=["cache/build/dock-mini-6.1-verify", "cache/trees"])
    ran = verify(world, "--rebuild", "--json")
    assert ran.code == 0, ran.err
    assert checks(ran) | {"picks": "passed", "image": "passed"} == checks(ran)
    after = snapshot(world.root, less=["cache/build/dock-mini-6.1-verify", "cache/trees"])
    assert after == before
    assert [p.name for p in (world.cache / "trees").glob("*verify/*")] == []


@pytest.mark.slow
def test_rebuild_catches_rules_and_fragments_that_give_something_else(world):
    parts = members(world)
    rule = parts[RULES].replace(b"dock_limit(dock)", b"dock_Limit(dock)")
    ran = verify(world, "--rebuild", "--json", data=restated({**parts, RULES: rule}))
    assert ran.code == 4 and checks(ran)["picks"] == "failed" and checks(ran)["image"] == "not-run"
    assert '"dock: Limit how many can dock" is ' in ran.err
    fragment = {"inputs/kconfig/net.config": b"CONFIG_NET=y\nCONFIG_BPF=y\n"}
    ran = verify(world, "--rebuild", "--json", data=restated({**parts, **fragment}))
    assert ran.code == 4 and checks(ran)["picks"] == "passed" and checks(ran)["image"] == "failed"
    assert "image: configuration: the bundle's fragments ask for other values" in ran.err
    gone = restated({**parts, RULES: b'cause = "none"\nrule = []\n'})
    ran = verify(world, "--rebuild", data=gone)
    assert ran.code == 4 and "the bundle's rules leave a conflict: dock: Limit" in ran.err


@pytest.mark.slow
def test_rebuild_catches_another_image(world):
    parts = members(world)
    record = json.loads(parts["run.json"])
    record["build"]["sha256"] = "00" * 32
    parts["run.json"] = json.dumps(record).encode()
    ran = verify(world, "--rebuild", "--json", data=restated(parts))
    assert ran.code == 4 and checks(ran)["image"] == "failed"
    assert f"was {'00' * 32}" in ran.err


def test_patches_that_give_another_tree_are_caught(world):
    parts = members(world)
    name = next(n for n in parts if "Add-a-list" in n)
    parts[name] = parts[name].replace(b"return 0;", b"return 1;")
    ran = verify(world, "--json", data=restated(parts))
    assert ran.code == 4 and checks(ran)["patches"] == "failed" and "drivers/list.c" in ran.err
    record = json.loads(parts["run.json"])
    record["tree"] = "12" * 20  # one that is not here
    parts["run.json"] = json.dumps(record).encode()
    ran = verify(world, "--json", data=restated(parts))
    assert ran.code == 4 and f"the patches do not give tree {'12' * 20}" in ran.err


def test_a_patch_that_writes_outside_the_tree_writes_nothing(world):
    parts = members(world)
    name = next(n for n in parts if "Add-a-list" in n)
    for place in (b"../../../../tmp/evil.c", b".git/hooks/post-applypatch", b"/tmp/evil.c"):
        text = parts[name].replace(b"drivers/list.c", place)
        ran = verify(world, "--json", data=restated({**parts, name: text}))
        assert ran.code == 4 and checks(ran)["patches"] == "failed"


@pytest.mark.slow
def test_a_tool_of_another_version_is_told_and_the_image_decides(world):
    """Seen on a real kernel: CONFIG_PAHOLE_VERSION was another, the image the same."""
    parts = members(world)
    record = json.loads(parts["run.json"])
    parts["kernel.config"] += b"CONFIG_PAHOLE_VERSION=124\n"
    record["config"]["sha256"] = statement.digest(parts["kernel.config"])
    parts["run.json"] = json.dumps(record).encode()
    ran = verify(world, "--rebuild", data=restated(parts))
    assert ran.code == 0, ran.err
    assert "; in its configuration another CONFIG_PAHOLE_VERSION" in ran.out


@pytest.mark.slow
def test_another_machine_checks_what_it_can(world):
    shutil.rmtree(world.cache)
    ran = verify(world, "--json")
    assert ran.code == 0 and checks(ran)["patches"] == "not-run"
    assert not world.cache.exists()
    ran = verify(world, "--rebuild")
    assert ran.code == 69 and "the base is not in the store of this machine" in ran.err
    assert f"backport plan {SERIES} --target {TARGET}" in ran.err
    assert world.run(*world.argv("plan")).code == 0  # imports the base, and picks nothing
    ran = verify(world, "--rebuild", "--json")
    assert ran.code == 0 and checks(ran)["image"] == "passed", ran.err


# -- what is refused


def test_what_is_no_bundle_or_not_whole_is_told(world, tmp_path):
    data = (world.root / "b.tar").read_bytes()
    ran = verify(world, data=data[:-3000])
    assert ran.code == 4 and "does not hold\narchive: ends too early, behind" in ran.err
    ran = verify(world, data=b"no tar\n" * 500)
    assert ran.code == 2 and "is no bundle: not a tar archive" in ran.err
    for name in ("none.tar", "."):
        ran = world.run("verify", str(tmp_path / name))
        assert ran.code == 2 and str(tmp_path) in ran.err and "Traceback" not in ran.err


def test_a_flipped_byte_is_named_and_ends_with_4(world):
    parts = members(world)
    for name in parts:
        changed = bytearray(parts[name])
        changed[len(changed) // 2] ^= 1
        ran = verify(world, "--quiet", data=pack({**parts, name: bytes(changed)}))
        assert ran.code == 4 and name in ran.err, (name, ran.err)


def test_what_a_bundle_says_cannot_write_over_what_we_say(world):
    parts = members(world)
    record = {**json.loads(parts["run.json"]), "outcome": "\x1b[2J\x1b[Hpassed\r"}
    ran = verify(world, data=restated({**parts, "run.json": json.dumps(record).encode()}))
    assert ran.code == 4 and "[Hpassed" in ran.out and "[Hpassed" in ran.err
    assert not set("\x1b\r") & set(ran.out + ran.err)


def test_a_run_that_has_nothing_to_bundle_is_refused(world):
    world.run(*world.argv("plan"))
    ran = world.run("bundle", "-o", str(world.root / "no.tar"))
    assert ran.code == 2 and "picked nothing" in ran.err
    assert not (world.root / "no.tar").exists()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"inputs": ""}, "this run is older than bundles"),
        ({"outcome": "running", "exit_code": None}, "this run is not over: killed"),
    ],
)
def test_a_run_that_cannot_be_bundled_says_how_to_get_one_that_can(world, changes, why):
    folder = (world.workspace / "latest").resolve()
    record = RunRecord.from_json({**world.record(), **changes})
    write_record(folder, record)
    ran = world.run("bundle", "-o", str(world.root / "no.tar"))
    assert ran.code == 2 and why in ran.err and f"next: {record.command}" in ran.err


def test_a_run_whose_configuration_was_built_over_is_refused(world):
    config = world.cache / "build" / f"{SERIES}-{TARGET}" / ".config"
    config.write_text(config.read_text() + "CONFIG_MORE=y\n")
    ran = world.run("bundle", "-o", str(world.root / "no.tar"))
    assert ran.code == 2 and "its configuration is gone" in ran.err and "next: backport" in ran.err


def test_a_run_that_contradicts_itself_makes_no_bundle(world):
    folder = (world.workspace / "latest").resolve()
    gates = [{**gate, "outcome": "failed"} for gate in world.record()["gates"]]
    write_record(folder, RunRecord.from_json({**world.record(), "gates": gates}))
    ran = world.run("bundle", "-o", str(world.root / "no.tar"))
    assert ran.code == 4 and "would not hold\nrecord: " in ran.err and "next: make the" in ran.err
    assert not (world.root / "no.tar").exists()


def test_a_bundle_of_a_run_that_failed_is_whole_and_ends_with_4(world):
    (world.data / "kconfig" / "net.config").write_text("CONFIG_ABSENT=y\n")
    assert world.run(*world.argv("build")).code == 4
    assert world.run("bundle", "-o", str(world.root / "b.tar")).code == 0
    ran = verify(world, "--json")
    assert ran.code == 4 and "tells of a run that did not pass: gate-failed" in ran.err
    assert "failed" not in checks(ran).values() and checks(ran)["patches"] == "passed"
