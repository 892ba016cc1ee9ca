"""Files are written whole or not at all, whoever else writes."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor

import pytest

from backport.doors import files
from backport.values.errors import Unavailable


def test_threads_that_write_one_path_do_not_meet(tmp_path):
    path = tmp_path / "verdict.json"
    texts = [bytes([65 + n]) * 200_000 for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: files.write(path, text), texts * 4))
    assert path.read_bytes() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["verdict.json"]


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "kept"
    files.write(path, b"old")

    def full(_fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(Unavailable, match="no room left"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_size_asked_while_the_file_comes_and_goes_is_a_number(tmp_path):
    """apt renames a download that it finds wrong, between two lines that it prints."""
    path, gone = tmp_path / "part", tmp_path / "part.FAILED"
    assert files.size(path) == 0
    path.write_bytes(b"123")
    with ThreadPoolExecutor(1) as pool:
        renaming = pool.submit(
            lambda: [p.rename(q) for p, q in [(path, gone), (gone, path)] * 2000]
        )
        seen = {files.size(path) for _ in iter(renaming.done, True)}
    assert seen <= {0, 3} and files.size(path) == 3
