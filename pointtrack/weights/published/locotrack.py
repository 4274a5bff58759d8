"""LocoTrack. The weights are published without a licence of their own."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_PLACE = "https://huggingface.co/datasets/hamacojr/LocoTrack-pytorch-weights/resolve/main/"
_PAPER = "Cho et al., Local All-Pair Correspondence for Point Tracking, ECCV 2024"
_PROTOCOL = PublishedProtocol("tapvid", note="one call sees the frames before the query too")


def _card(size: str, parameters: int, scores: dict[str, float], summary: str) -> ModelCard:
    name = f"locotrack_{size}"
    return ModelCard(
        name=name,
        family="LocoTrack",
        summary=summary,
        paper=_PAPER,
        task="offline",
        parameters=parameters,
        weights_licence="Apache-2.0 (that of the code; none is stated for the weights)",
        scores=scores,
        network=name,
        resolution=(256, 256),
        files=(OfficialFile(f"{name}.ckpt", f"{_PLACE}{name}.ckpt"),),
        protocol=_PROTOCOL,
    )


LOCOTRACK = (
    _card(
        "base",
        11_519_717,
        {"DAVIS first AJ": 63.0, "DAVIS strided AJ": 67.8, "Kinetics first AJ": 52.9},
        "compares all of a point's surroundings with all of a place's, refines over time",
    ),
    _card(
        "small",
        8_236_133,
        {"DAVIS first AJ": 62.0, "DAVIS strided AJ": 66.9, "Kinetics first AJ": 51.6},
        "the small LocoTrack",
    ),
)
