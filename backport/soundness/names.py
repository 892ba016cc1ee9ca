"""Names in added lines: whether the target has them, sees them, and means the same by them.

What a function has for itself is in `variables`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from backport.readers.identifiers import Kind, Use, defined_in, fields_in
from backport.soundness.calls import Call, Signature, calls, signatures
from backport.soundness.files import WORD, File
from backport.soundness.findings import Finding, Sort
from backport.soundness.headers import View
from backport.soundness.scene import Scene
from backport.values.filecase import Side

_ANNOTATION = re.compile(r"(?<![\w.>#])__[a-z]\w+(?!\w|\s*\()")

_STDBOOL = "stdbool.h"
_BOOL = frozenset(("bool", "true", "false"))


def lacking(scene: Scene) -> Iterator[Finding]:
    """Names that upstream had before its commit, and the target has nowhere.

    One that upstream lacks as well comes with the commit, or is a local of its own.
    """
    used = [
        (file, use) for file in scene.files for use in file.uses if use.kind is not Kind.INCLUDE
    ]
    names = {use.name for _, use in used}
    absent = names - scene.around.known(Side.OURS, names) if names else frozenset()
    foreign = scene.around.known(Side.BASE, absent) if absent else frozenset()
    for file, use in used:
        if use.name in foreign:
            said = f"{use.kind} {use.name} is in upstream's tree and in no file of the target"
            yield Finding(Sort.NAME, file.path, use.number, use.name, said)


def out_of_reach(scene: Scene) -> Iterator[Finding]:
    """Names that upstream's file has or sees by its includes, and the target's does not."""
    target, upstream = scene.target, scene.upstream
    for file in scene.files:
        new = _strange(file)
        names = target.lacking(file.path, new.keys()) if new else frozenset()
        names -= upstream.lacking(file.path, names - file.base.words) if names else frozenset()
        for name in sorted(names, key=lambda one: new[one].number):
            use, home = new[name], _home(upstream, file, name)
            # The system's header of that name has it as well.
            if home and not target.includes_alien(file.path, posixpath.basename(home)):
                said = (
                    f"{use.kind} {name} is from {home} upstream; "
                    f"no file that is included here has it"
                )
                yield Finding(Sort.REACH, file.path, use.number, name, said)


def without_bool(scene: Scene) -> Iterator[Finding]:
    """The first `bool` of a file to which <stdbool.h> comes by upstream's includes alone. What a
    header needs may come from who includes it."""
    for file in scene.files:
        if not file.path.endswith(".c") or file.ours.words & _BOOL:
            continue
        new = ((n, _BOOL & set(WORD.findall(file.result.plain[n - 1]))) for n in sorted(file.added))
        first = next(((n, min(names)) for n, names in new if names), None)
        upstream, target = scene.upstream, scene.target
        if (
            first
            and upstream.includes_alien(file.path, _STDBOOL)
            and not target.includes_alien(file.path, _STDBOOL)
        ):
            number, name = first
            said = f"{name} needs <{_STDBOOL}>, which only upstream's file includes"
            yield Finding(Sort.REACH, file.path, number, name, said)


def _home(view: View, file: File, name: str) -> str:
    """Where the name is from: a header that defines it, "" where all of them only use it."""
    for home in view.homes(file.path, name):
        text = view.text(home).decode("utf-8", "replace")
        if any(_defines(line, name) for line in text.splitlines() if name in line):
            return home
    return ""


def _defines(line: str, name: str) -> bool:
    return name in (*defined_in(line, (name,), private=True), *fields_in(line))


def _strange(file: File) -> Mapping[str, Use]:
    """What added lines use that stands in no line of the target's file before, nor is new in it."""
    kinds = {Kind.CALL, Kind.CONSTANT, Kind.TAG, Kind.MEMBER}
    found: dict[str, Use] = {}
    for use in (*file.uses, *_annotations(file)):
        if use.kind in kinds and use.name not in file.ours.words:
            found.setdefault(use.name, use)
    for number in sorted(file.added) if found else ():
        line = file.result.plain[number - 1]
        for name in (*defined_in(line, found, private=True), *fields_in(line)):
            found.pop(name, None)
    return found


def _annotations(file: File) -> Iterator[Use]:
    """Words such as __always_inline in added lines, which stand for attributes."""
    for number in sorted(file.added):
        for word in _ANNOTATION.findall(file.result.plain[number - 1]):
            yield Use(word, Kind.CONSTANT, number)


def signed_otherwise(scene: Scene) -> Iterator[Finding]:
    """Calls that fit what upstream declares, and not what the target does."""
    target, upstream = scene.target, scene.upstream
    for file in scene.files:
        if not file.added:
            continue
        before = {(call.name, call.count) for call in calls("".join(file.ours.lines))}
        for call in calls("".join(file.result.lines)):
            if call.number in file.added and (call.name, call.count) not in before:
                before.add((call.name, call.count))
                yield from _against(file, call, target, upstream)


def _against(file: File, call: Call, target: View, upstream: View) -> Iterator[Finding]:
    mine = _told(target, file.path, call.name)
    if not mine or any(_fits(call, one) for one in mine):
        return
    theirs = _told(upstream, file.path, call.name)
    if theirs and all(_fits(call, one) for one in theirs):
        (one, *_) = mine
        takes = "gives nothing" if one.count == call.count else f"takes {one.count} arguments"
        said = f"{call.name}() {takes} in the target; the call is for upstream's"
        yield Finding(Sort.ARGUMENTS, file.path, call.number, call.name, said)


def stale(scene: Scene) -> Iterator[Finding]:
    """Calls that only the target has, of functions to which the pick gives other arguments."""
    changed = {name: told for file in scene.files for name, told in _changed(file)}
    for file in scene.files if changed else ():
        for call in calls("".join(file.result.lines)) if file.is_merged else ():
            was, now = changed.get(call.name, (0, 0))
            if was != now and call.count == was and call.number not in file.added:
                said = f"the pick gives {call.name}() {now} arguments; this call has {was}"
                yield Finding(Sort.ARGUMENTS, file.path, call.number, call.name, said)


def _changed(file: File) -> Iterator[tuple[str, tuple[int, int]]]:
    """Functions whose head the pick changes; how many arguments they took, and take."""
    ours, result = file.ours.functions, file.result.functions
    for name in result.keys() & ours.keys() if file.added else ():
        first, last = result[name]
        body = next((n for n in range(first, last) if "{" in file.result.plain[n]), first)
        if not file.added.isdisjoint(range(first + 1, body + 2)):
            was, now = (
                list(signatures("".join(text.lines[slice(*span)]), name))[:1]
                for text, span in ((file.ours, ours[name]), (file.result, result[name]))
            )
            if was and now:
                yield name, (was[0].count, now[0].count)


def _fits(call: Call, one: Signature) -> bool:
    return one.count in {-1, call.count} and not (one.is_void and call.has_value)


def _told(view: View, path: str, name: str) -> Sequence[Signature]:
    """What the nearest files that a file sees say of a function; nothing where none says it."""
    for home in view.homes(path, name):
        text = view.text(home).decode("utf-8", "replace")
        if found := list(signatures(text, name)):
            return found
    return []


def users(scene: Scene) -> Iterator[Finding]:
    """Names that upstream's commit ends, and that lines of the target still use."""
    after = {name for file in scene.files for name in file.theirs.words}
    gone = {name for file in scene.files for name in file.base.words} - after
    left = gone & {name for file in scene.files for name in file.result.words}
    ended = left - scene.around.known(Side.THEIRS, left) if left else frozenset()
    for file in scene.files if ended else ():
        for number, line in enumerate(file.result.plain, 1):
            for name in sorted(ended & set(WORD.findall(line))):
                said = f"upstream's commit removes the last {name}; the target still has it here"
                yield Finding(Sort.USER, file.path, number, name, said)
