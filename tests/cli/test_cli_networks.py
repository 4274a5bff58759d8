"""The published networks on the command line."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Run

import pointtrack as pt
from pointtrack.trackers.registry import card_of, options


def test_a_networks_card_says_where_its_weights_are_and_how_its_numbers_were_taken(
    run: Run,
) -> None:
    shown = run("models", "cotracker3_offline").out
    for words in (
        "official:scaled",
        "https://huggingface.co/facebook/cotracker3/resolve/main/baseline_offline.pth",
        "CC-BY-NC-4.0",
        "commercial use    no",
        "512x384",
        "DAVIS first δ 76.9",
        "support=5",
        "resolution=(512, 384)",
    ):
        assert words in shown


def test_no_card_shows_python_or_an_empty_line(run: Run) -> None:
    for card in pt.models():
        rows = run("models", card.name).out.splitlines()
        assert all(row.strip() for row in rows)
        assert not any("OfficialFile(" in row or "PublishedProtocol(" in row for row in rows)


@pytest.mark.parametrize("card", pt.models(), ids=lambda card: card.name)
def test_the_published_options_are_the_models_own(card: pt.ModelCard) -> None:
    assert set(card.protocol.options) <= set(options(card.name))
    assert card_of(card.name) == card


def test_a_network_without_weights_is_one_sentence(refused: Run) -> None:
    sentence = refused("track", "clip.mp4", "--model", "raft_small").sentence
    assert "raft_small needs weights: the path of a checkpoint, 'official'" in sentence


def test_the_official_protocol_brings_the_models_options(run: Run, place: Path) -> None:
    video = np.zeros((3, 32, 32, 3), np.uint8)
    points, hidden = np.full((1, 3, 2), 0.5), np.zeros((1, 3), bool)
    content = {"a": {"video": video, "points": points, "occluded": hidden}}
    (place / "mini.pkl").write_bytes(pickle.dumps(content))
    words = ["evaluate", "mini.pkl", "-m", "raft_small", "--weights", "random", "--json"]
    found = json.loads(run(*words, "--protocol", "official", "--option", "longest=32").out)
    assert found["options"]["iterations"] == 32
    assert found["options"]["longest"] == 32
    assert found["protocol"]["name"] == "official"
    assert found["protocol"]["input_size"] == [256, 256]


def test_comparing_needs_one_protocol_for_all(refused: Run) -> None:
    words = ["compare", "clip.mp4", "-m", "klt", "-m", "mft", "--protocol", "official"]
    assert "differs from model to model" in refused(*words).sentence
