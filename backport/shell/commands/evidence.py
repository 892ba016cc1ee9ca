"""Commands for evidence that outlives the machine: bundle and verify."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from backport.doors import files
from backport.doors.cache import Cache
from backport.doors.store import Store
from backport.evidence.archive import MOST
from backport.evidence.signature import Trust
from backport.evidence.verify import Findings, verify
from backport.output.summary import look
from backport.shell.bundling import Signers, bundle
from backport.shell.commands import common
from backport.shell.commands.common import say, say_json
from backport.shell.commands.look import RunName
from backport.shell.console import ConsoleRenderer
from backport.shell.repeating import check_further
from backport.values.errors import GateFailed, UsageError
from backport.values.record import Gate

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")

Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write.")]
SshKey = Annotated[
    Path | None, typer.Option("--sign-ssh", help="Sign with this ssh key (ssh-keygen -Y sign).")
]
GpgKey = Annotated[str, typer.Option("--sign-gpg", help="Sign with this OpenPGP key (gpg).")]
File = Annotated[Path, typer.Argument(help="The bundle, a file.")]
AllowedSigners = Annotated[
    Path | None,
    typer.Option(help="Demand an ssh signature of one of these (ssh-keygen's allowed signers)."),
]
Keyring = Annotated[
    Path | None,
    typer.Option(help="Demand an OpenPGP signature by a key of this ring (gpg --export)."),
]
Rebuild = Annotated[
    bool, typer.Option("--rebuild", help="Pick and build again, by the bundle's own data files.")
]


def bundle_(
    run: RunName = "",
    output: Output = Path("backport-bundle.tar"),
    sign_ssh: SshKey = None,
    sign_gpg: GpgKey = "",
    json: common.Json = False,
) -> None:
    """Pack a run's series, rules, configuration, results and logs, with a statement on them."""
    chosen = common.chosen_run(run)
    data = bundle(Store(Cache.default()).git, chosen, Signers(sign_ssh, sign_gpg))
    files.write(output, data)
    record = chosen.record
    if json:
        say_json({"file": str(output), "bytes": len(data), "run": record.id, "head": record.head})
    else:
        say(f"{output}\n{record.series} on {record.where}, {record.outcome}, run {record.id}")


def verify_(
    file: File,
    allowed_signers: AllowedSigners = None,
    keyring: Keyring = None,
    rebuild: Rebuild = False,
    jobs: common.Jobs = 0,
    json: common.Json = False,
    quiet: common.Quiet = False,
) -> None:
    """Check a bundle offline: hashes, signature, verdict, logs, patches; or repeat it."""
    found = verify(_read(file), str(file), Trust(allowed_signers, keyring))
    if found.opened is not None:
        with ConsoleRenderer(quiet=quiet) as emit:
            more = check_further(found.opened, Cache.default(), emit, rebuild=rebuild, jobs=jobs)
        found = Findings((*found.gates, *more), found.opened)
    found = Findings(tuple(map(_printable, found.gates)), found.opened)
    if json:
        say_json({"file": str(file), "checks": [asdict(gate) for gate in found.gates]})
    else:
        say("\n".join(_line(gate.name, gate.outcome, gate.detail) for gate in found.gates))
    _demand_good(file, found)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MOST:
            raise UsageError(f"{file}: is no bundle: it has more than {MOST:,} bytes")
        return file.read_bytes()
    except OSError as err:
        raise UsageError(
            f"{file}: {err.strerror}", hint="name a file of `backport bundle`"
        ) from err


def _printable(gate: Gate) -> Gate:
    """What a bundle says, for a terminal: it must not move the cursor over our own words."""
    return replace(gate, detail=_CONTROL.sub("\N{REPLACEMENT CHARACTER}", gate.detail))


def _line(name: str, outcome: str, detail: str) -> str:
    indent = "\n" + " " * 16
    return f"{look(outcome)[0]} {name.ljust(13)} {detail.replace(chr(10), indent)}"


def _demand_good(file: Path, found: Findings) -> None:
    """Raise `GateFailed` for a bundle that does not hold, or that tells of a run that failed."""
    if found.failed:
        text = "\n".join(f"{gate.name}: {gate.detail}" for gate in found.failed)
        raise GateFailed(f"{file}: does not hold\n{text}", hint="do not rely on this bundle")
    if found.opened and found.opened.record.exit_code:
        record = found.opened.record
        raise GateFailed(
            f"{file}: is whole, but tells of a run that did not pass: {record.outcome}"
        )
