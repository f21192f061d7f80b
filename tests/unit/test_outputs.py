"""Outputs appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from raggesture.errors import UsageError
from raggesture.outputs import check_output, check_output_folder, new_files, new_folder


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_all_files_appear_together(tmp_path: Path) -> None:
    targets = [tmp_path / "new" / "a.npz", tmp_path / "new" / "a.html"]
    with new_files(targets) as partial:
        assert [path.suffix for path in partial] == [".npz", ".html"]
        for path in partial:
            path.write_text("x")
        assert not any(target.exists() for target in targets)
    assert _names(tmp_path) == ["new", "new/a.html", "new/a.npz"]


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_fault_leaves_nothing(tmp_path: Path, fault: type[BaseException]) -> None:
    with pytest.raises(fault), new_files([tmp_path / "new" / "deep" / "a", tmp_path / "new" / "b"]) as partial:
        partial[0].write_text("half")
        raise fault
    assert _names(tmp_path) == []


def test_a_fault_keeps_what_stood_there(tmp_path: Path) -> None:
    old = tmp_path / "a"
    old.write_text("old")
    with pytest.raises(ValueError, match="stop"), new_files([old], force=True) as partial:
        partial[0].write_text("new")
        raise ValueError("stop")
    assert old.read_text() == "old" and _names(tmp_path) == ["a"]


def test_overwriting_needs_force(tmp_path: Path) -> None:
    old = tmp_path / "a"
    old.write_text("old")
    with pytest.raises(UsageError, match=r"exists.*--force") as caught, new_files([old]):
        pytest.fail("the work was begun")
    assert caught.value.exit_code == 2
    with new_files([old], force=True) as partial:
        partial[0].write_text("new")
    assert old.read_text() == "new"


def test_somebody_else_writes_meanwhile(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists"), new_files([tmp_path / "a", tmp_path / "b"]) as partial:
        for path in partial:
            path.write_text("mine")
        (tmp_path / "b").write_text("theirs")
    assert _names(tmp_path) == ["b"] and (tmp_path / "b").read_text() == "theirs"


@pytest.mark.parametrize("place", ["file/a", "folder"])
def test_what_cannot_be_an_output(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="is a f"):
        check_output(tmp_path / place, force=True)


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "index") as partial:
        (partial / "a").write_text("x")
        assert not (tmp_path / "index").exists()
    assert _names(tmp_path) == ["index", "index/a"]
    with pytest.raises(UsageError, match="not empty"), new_folder(tmp_path / "index"):
        pytest.fail("the work was begun")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "index", force=True) as partial:
        (partial / "b").write_text("y")
        raise KeyboardInterrupt
    assert _names(tmp_path) == ["index", "index/a"]
    with new_folder(tmp_path / "index", force=True) as partial:
        (partial / "b").write_text("y")
    assert _names(tmp_path) == ["index", "index/b"]


def test_an_empty_folder_is_free_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    check_output_folder(tmp_path / "empty", force=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        check_output_folder(tmp_path / "file", force=True)
