"""Find the parity fixtures and compare with them.

The fixtures hold outputs of the published implementations and do not come with the code. Their
directory is ``$POINTTRACK_PARITY_DIR``, by default ``../shared/parity`` beside the repository.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROOT = Path(__file__).resolve().parents[2]
EXPECTED_PREFIXES = ("out_", "metric_", "mid_")

# What a network gives out, by name. A setting (one whole number) never is; an input that only
# looks like a result is declared with `Case.given`.
NETWORK_RESULTS = re.compile(
    r"(\w+_)?(tracks|visible|visibility|confidence|score|occlusion|sigma|flow\d*|logit)(_\w+)?"
    r"|(step\d+|backward|grid|support|grad|loss|total|v1_loss)_\w+"
)


def parity_dir() -> Path:
    """The directory of the fixtures, whether it exists or not."""
    return Path(os.environ.get("POINTTRACK_PARITY_DIR", ROOT.parent / "shared" / "parity"))


def folders(directory: Path) -> list[Path]:
    """Every folder with a fixture in it: one for each variant of a model or family of metrics."""
    if not directory.is_dir():
        return []
    inside = sorted(path for path in directory.iterdir() if path.is_dir())
    return [
        path for path in inside if any(path.glob("case_*.npz")) or (path / "state.json").exists()
    ]


def is_network(folder: Path) -> bool:
    """Whether a folder holds a network's outputs, or losses of its training."""
    return (folder / "state.json").exists() or folder.name.endswith("_losses")


def case_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("case_*.npz"))


class Case:
    """One fixture file, which remembers what has been compared.

    A name is *expected* when it begins with ``out_``, ``metric_`` or ``mid_``, when the
    folder's ``tolerance.json`` lists it for this case, or when the folder is a network's and
    the name is that of a result.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with np.load(path, allow_pickle=False) as stored:
            self._arrays = {name: stored[name] for name in stored.files}
        tolerances = path.parent / "tolerance.json"
        listed = json.loads(tolerances.read_text()) if tolerances.exists() else {}
        self._tolerances: dict[str, float] = listed.get(path.stem, {})
        self._of_network = is_network(path.parent)
        self._compared: set[str] = set()
        self._given: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> NDArray:
        return self._arrays[name]

    def names(self) -> list[str]:
        return list(self._arrays)

    def expected(self) -> set[str]:
        named = (
            name
            for name in self._arrays
            if name.startswith(EXPECTED_PREFIXES)
            or name in self._tolerances
            or (self._of_network and self._is_result(name))
        )
        return set(named) - self._given

    def _is_result(self, name: str) -> bool:
        array = self._arrays[name]
        setting = array.ndim == 0 and np.issubdtype(array.dtype, np.integer)
        return NETWORK_RESULTS.fullmatch(name) is not None and not setting

    def given(self, *names: str) -> None:
        """Declare inputs whose names only look like an expected array's."""
        self._given.update(names)

    def compare(self, name: str, value: ArrayLike, *, rtol: float = 0.0, atol: float = 0.0) -> None:
        """Assert that ``value`` is the array ``name``: shape, NaNs, and numbers to tolerance.

        What ``tolerance.json`` says about the array replaces ``atol``.
        """
        wanted, found = self._arrays[name], np.asarray(value)
        where = f"{self.path.parent.name}/{self.path.name}: {name}"
        assert found.shape == wanted.shape, f"{where}: shape {found.shape} is not {wanted.shape}"
        np.testing.assert_allclose(
            found.astype(np.float64),
            wanted.astype(np.float64),
            rtol=rtol,
            atol=self._tolerances.get(name, atol),
            err_msg=where,
        )
        self._compared.add(name)

    def assert_complete(self) -> None:
        """Assert that no expected array was left uncompared, and that there was one at all."""
        left = sorted(self.expected() - self._compared)
        assert not left, f"{self.path.name}: never compared: {', '.join(left)}"
        assert self._compared, f"{self.path.name}: holds nothing that was compared"
