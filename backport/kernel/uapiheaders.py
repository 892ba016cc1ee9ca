"""Reads what UAPI headers give to userspace: macros, enumerators with their values, layouts.

The compiler says it, of the headers as a tree has them: no value is computed here. Headers that a
build generates (the wrappers around asm-generic) come from the machine's C library.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from backport.doors import process
from backport.doors.git import Git
from backport.doors.process import Completed
from backport.kernel import debugdata
from backport.kernel.toolchain import arch_named
from backport.readers import preprocessed
from backport.values.errors import GateFailed
from backport.values.surface import Header

# Words that `make headers_install` takes out of the installed copies, and headers of the kernel's
# own whose #include it takes out.
_WORDS = {"__user": "", "__force": "", "__iomem": "", "__attribute_const__": ""}
_WORDS["__packed"] = "__attribute__((packed))"
_KERNEL_HEADERS = ("linux/compiler.h", "linux/compiler_types.h")
_DEBUG = ("-g", "-gdwarf-4", "-fno-eliminate-unused-debug-types")
_SECTION = ".backport"
_SECONDS = 120


def folders(arch: str) -> tuple[str, str]:
    """Where a tree has the headers that userspace sees."""
    return ("include/uapi", f"arch/{arch_named(arch).srcarch}/include/uapi")


def read_headers(git: Git, tree: str, paths: Sequence[str], arch: str) -> dict[str, Header]:
    """What headers of a tree define; an empty one for a path that the tree does not have.

    Raises `GateFailed` for a header that does not compile by itself.
    """
    with tempfile.TemporaryDirectory(prefix="backport-headers-") as name:
        root = Path(name)
        for path, entry in git.entries(tree, folders(arch)).items() if paths else ():
            _put(root / "tree" / path, git.blob(entry.oid))
        for stub in _KERNEL_HEADERS:
            _put(root / "stubs" / stub, b"")
        flags = ["-w", *(f"-D{word}={text}" for word, text in _WORDS.items())]
        flags += [f"-I{root / 'tree' / folder}" for folder in reversed(folders(arch))]
        return {path: _read(root, path, [*flags, f"-I{root / 'stubs'}"]) for path in paths}


def _put(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _read(root: Path, path: str, flags: Sequence[str]) -> Header:
    header = root / "tree" / path
    if not header.is_file():
        return Header()
    asked: list[str | Path] = ["gcc", "-E", "-dD", *flags, "-x", "c", header]
    found = preprocessed.defined_in(_told(asked, root, path).text, str(header))
    source, product = root / "all.c", root / "all.o"
    source.write_text(_program(header, found.enumerators))
    _told(["gcc", *flags, *_DEBUG, "-c", "-o", product, source], root, path)
    values = _values(product, len(found.enumerators))
    layouts = debugdata.read_layouts(product, root / "tree")
    return Header(
        found.macros,
        dict(zip(found.enumerators, values, strict=True)),
        {one.title: one for one in layouts if one.header == path},
    )


def _program(header: Path, names: Sequence[str]) -> str:
    """All values in a section of their own; one more, for an array must not be empty."""
    terms = "".join(f"(long long)({name}), " for name in names)
    table = f'const long long backport_values[] __attribute__((section("{_SECTION}")))'
    return f'#include <linux/types.h>\n#include "{header}"\n{table} = {{ {terms}0 }};\n'


def _values(product: Path, count: int) -> tuple[int, ...]:
    binary = product.with_suffix(".bin")
    command: list[str | Path] = [
        "objcopy",
        "-O",
        "binary",
        "--only-section",
        _SECTION,
        product,
        binary,
    ]
    process.run(command, timeout=_SECONDS)
    return struct.unpack(f"<{count}q", binary.read_bytes()[: 8 * count])


def _told(argv: Sequence[str | Path], root: Path, path: str) -> Completed:
    done = process.run(argv, check=False, timeout=_SECONDS)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().replace(f"{root}/", "")
        raise GateFailed(
            f"{path}: does not compile by itself, so its numbers are not known\n{said}",
            hint="a UAPI header includes all that it uses; `make headers_check` asks for that, too",
        )
    return done
