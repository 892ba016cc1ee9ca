"""The kernel of a target as it was before the series, in the configuration that the result has."""

from __future__ import annotations

from backport.doors import files
from backport.doors.store import Store
from backport.guests.lab import LabKernel
from backport.kernel.build import BuildRequest, build
from backport.kernel.checkout import checkout
from backport.kernel.configure import ConfigureRequest, configure_like
from backport.readers.manifest import read_target, target_path
from backport.shell.qualifying import Ground
from backport.values.errors import UsageError
from backport.values.events import Emit, Note

LABEL = "before the series"


def base_kernel(ground: Ground, emit: Emit) -> LabKernel:
    """Build it, or find it: a directory of its own keeps it. Raises `BuildFailed`.

    The same configuration, so that nothing but the series tells the two kernels apart.
    """
    record, cache = ground.run.record, ground.cache
    assert record.base is not None
    store, target = Store(cache), read_target(target_path(ground.data, record.target))
    config = ground.kernel.image.parents[3] / ".config"  # below arch/<arch>/boot
    if not config.is_file():
        raise UsageError(
            f"{config}: the configuration of {record.id} is gone", hint=f"{record.command} again"
        )
    emit(Note("build", "the kernel before the series, in the same configuration"))
    name, tree = f"{record.series}-{record.target}-base", store.git.tree_of(record.base.commit)
    source, out = cache.trees / name, cache.build / name
    log = ground.folder / "logs" / "base.log"
    with files.locked(out.with_name(f"{name}.lock")):
        checkout(store.git, tree, source, emit)
        out.mkdir(parents=True, exist_ok=True)
        variables = target.make_variables
        request = ConfigureRequest(source, out, (), log, tree, target.arch, variables, emit)
        configure_like(request, config.read_text("utf-8"))
        built = build(BuildRequest(source, out, log, tree, target.arch, variables, emit=emit))
    return LabKernel(LABEL, built.image)
