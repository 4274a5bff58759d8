"""Loading by name: what is there, and what the error says when it is not."""

from __future__ import annotations

import json

import pytest

import pointtrack as pt

NAMES = [card.name for card in pt.models()]


def test_the_default_is_one_of_the_models() -> None:
    assert pt.DEFAULT_MODEL in NAMES
    assert pt.load().card.name == pt.DEFAULT_MODEL
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("card", pt.models(), ids=lambda card: card.name)
def test_cards_survive_json(card: pt.ModelCard) -> None:
    content = card.to_dict()
    assert json.loads(json.dumps(content)) == content
    assert content["task"] in ("online", "offline", "dense")
    assert content["summary"]
    assert content["paper"]
    assert (card.parameters > 0) == bool(card.weights_licence)


@pytest.mark.filterwarnings("ignore:.*random weights")
@pytest.mark.parametrize("card", pt.models(), ids=lambda card: card.name)
def test_a_loaded_tracker_carries_its_card(card: pt.ModelCard) -> None:
    weights = "random" if card.parameters else None
    assert pt.load(card.name, weights, device="cpu", precision="float32").card == card


def test_an_unknown_model_is_named_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(pt.PointtrackError, match=r"no model 'mtf' \(did you mean mft") as problem:
        pt.load("mtf")
    assert all(name in str(problem.value) for name in NAMES)
    with pytest.raises(pt.PointtrackError, match="no model 'zzzzzz'; there are: "):
        pt.load("zzzzzz")


def test_an_unknown_option_is_named_with_the_nearest_and_all_there_are() -> None:
    with pytest.raises(
        pt.PointtrackError, match=r"option of klt 'windw' \(did you mean window"
    ) as e:
        pt.load("klt", windw=11)
    assert all(option in str(e.value) for option in ("levels", "error", "anchor"))
    with pytest.raises(pt.PointtrackError, match="option of static 'window'; there are: none"):
        pt.load("static", window=3)


def test_unknown_devices_and_precisions() -> None:
    with pytest.raises(pt.PointtrackError, match=r"no device 'gpu'.*cuda"):
        pt.load("klt", device="gpu")
    with pytest.raises(pt.PointtrackError, match=r"no precision 'float23' \(did you mean float32"):
        pt.load("klt", precision="float23")
    assert pt.load("klt", device="cuda:1").card.name == "klt"  # not used, so not looked for


@pytest.mark.parametrize("weights", ["official", "random", "model.pth", {"a": 1}])
def test_weights_for_a_model_without_any(weights: object) -> None:
    with pytest.raises(pt.WeightsError, match="klt learns nothing"):
        pt.load("klt", weights)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("klt", {"window": 2}),
        ("klt", {"levels": -1}),
        ("klt", {"error": 0}),
        ("klt", {"anchor": -1}),
        ("klt", {"window": "big"}),
        ("flow_chain", {"flow": "raft"}),
        ("flow_chain", {"longest": 15}),
        ("mft", {"deltas": ()}),
        ("mft", {"deltas": (0, 1)}),
        ("mft", {"deltas": (1, 1)}),
        ("mft", {"deltas": (1, 2.5)}),
        ("mft", {"hidden": "behind"}),
        ("mft", {"flow": "dis"}),
        ("mft", {"templates": -1}),
    ],
)
def test_options_out_of_range(model: str, options: dict) -> None:
    with pytest.raises(pt.PointtrackError, match=str(next(iter(options)))):
        pt.load(model, **options)
