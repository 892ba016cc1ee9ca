"""Files are written whole or not at all, whoever else writes."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor

import pytest

from backport import files
from backport.errors import Unavailable


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
