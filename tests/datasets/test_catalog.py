from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import benchmark_copies as copies
import pytest

from pointtrack.datasets import CARDS, card_of, open_dataset
from pointtrack.datasets.kinetics import KineticsDataset
from pointtrack.datasets.tapvid import TapVidDataset
from pointtrack.errors import FormatError


@pytest.mark.parametrize("name", CARDS)
def test_every_card_has_its_reader_and_nothing_empty(name: str) -> None:
    card = CARDS[name]
    module, _, reader = card.reader.partition(":")
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    names = [
        node.name
        for node in ast.parse(Path(found.origin).read_text()).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    ]
    assert reader in names
    texts = {k: v for k, v in card.to_dict().items() if isinstance(v, str) and k != "paper"}
    assert all(texts.values())
    assert card.query_mode in ("first", "given")
    assert card.protocol in ("tapvid", "practical")


def test_sets_are_opened_by_name(tmp_path: Path) -> None:
    makers = {
        "badja": copies.badja,
        "jhmdb": copies.jhmdb,
        "egopoints": copies.egopoints,
        "k-epic": copies.egopoints,
        "drivetrack": copies.drivetrack,
        "davis": copies.davis,
        "crohd": copies.crohd,
        "horse10": copies.horse10,
        "tapvid3d": copies.tapvid3d,
    }
    for name, make in makers.items():
        data = open_dataset(make(tmp_path / name), name)
        assert data.name == name
        assert card_of(data) is CARDS[name]
        assert len(next(iter(data)).video) >= 3


def test_pickles_of_one_kind_are_told_apart_by_name(tmp_path: Path) -> None:
    path = copies.tapvid_davis(tmp_path / "tapvid_davis.pkl")
    for name in ("tapvid-davis", "tapvid-rgb-stacking", "robotap", "tapvid-kinetics"):
        data = open_dataset(path, name)
        assert isinstance(data, TapVidDataset)
        assert data.name == name
        assert card_of(data) is CARDS[name]
    assert card_of(open_dataset(path)) is None


def test_kinetics_is_read_from_what_is_there(tmp_path: Path) -> None:
    csv, _ = copies.kinetics(tmp_path)
    assert isinstance(open_dataset(tmp_path, "tapvid-kinetics"), KineticsDataset)
    assert isinstance(open_dataset(csv, "tapvid-kinetics"), KineticsDataset)
    copies.tapvid_davis(tmp_path / "0000_of_0010.pkl")
    assert isinstance(open_dataset(tmp_path, "tapvid-kinetics"), TapVidDataset)


def test_a_folder_that_is_called_like_a_set_is_still_your_own(tmp_path: Path) -> None:
    folder = tmp_path / "badja"
    folder.mkdir()
    copies.numbered_video(folder / "clip.mp4", 3)
    assert card_of(open_dataset(folder)) is None


def test_a_wrong_folder_or_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="there is no data set"):
        open_dataset(tmp_path / "nowhere", "badja")
    with pytest.raises(FormatError, match="there are: tapvid, tapvid-davis"):
        open_dataset(tmp_path, "bajda")
    for name in ("badja", "jhmdb", "egopoints", "drivetrack", "davis", "crohd", "tapvid3d"):
        with pytest.raises(FormatError, match=str(tmp_path)):
            open_dataset(tmp_path, name)
