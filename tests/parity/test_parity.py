"""Every fixture of the published implementations, in every folder that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from checkers import CHECKERS
from parity_fixtures import Case, case_files, folders, parity_dir

if not parity_dir().is_dir():
    pytest.skip(
        f"no parity fixtures at {parity_dir()}: set POINTTRACK_PARITY_DIR to their directory",
        allow_module_level=True,
    )

FOLDERS = folders(parity_dir())
IMPLEMENTED = [folder for folder in FOLDERS if folder.name in CHECKERS]
CASES = [path for folder in IMPLEMENTED for path in case_files(folder)]
NOT_YET = [folder.name for folder in FOLDERS if folder.name not in CHECKERS]


def test_fixtures_are_here() -> None:
    assert FOLDERS, f"{parity_dir()} holds no folder with fixtures"
    empty = [folder.name for folder in IMPLEMENTED if not case_files(folder)]
    assert not empty, f"folders without a case: {', '.join(empty)}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case_agrees_with_the_published_implementation(path: Path) -> None:
    case = Case(path)
    CHECKERS[path.parent.name](case)
    case.assert_complete()


@pytest.mark.parametrize("folder", NOT_YET)
def test_folder_not_yet_implemented(folder: str) -> None:
    pytest.xfail(f"not yet: {folder}")
