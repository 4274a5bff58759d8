"""TAPTR and TAPTRv2. Scores are those of the authors' repository."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_PLACE = "https://huggingface.co/HYeungLee/TAPTR-Series/resolve/main/"
_PAPER = "Li et al., TAPTR: Tracking Any Point with Transformers as Detection, ECCV 2024"
_PAPER_2 = (
    "Li et al., TAPTRv2: Attention-based Position Update Improves Tracking Any Point, NeurIPS 2024"
)
_PROTOCOL = PublishedProtocol(
    "tapvid",
    options={"support": 800, "published": True},
    note="all points together, filled up to 800 with drawn ones; strided, those of each frame by "
    "themselves",
)


def _card(
    name: str, file: str, summary: str, paper: str, parameters: int, scores: dict[str, float]
) -> ModelCard:
    return ModelCard(
        name=name,
        family="TAPTR",
        summary=summary,
        paper=paper,
        task="offline",
        parameters=parameters,
        weights_licence="IDEA-1.0 (that of the code; none is stated for the weights)",
        commercial=False,
        scores=scores,
        network=name,
        resolution=(512, 512),
        files=(OfficialFile(file, f"{_PLACE}{file}"),),
        protocol=_PROTOCOL,
    )


TAPTR = (
    _card(
        "taptr",
        "taptrv1.pth",
        "a point in a frame is an object to be detected, in windows of eight frames",
        _PAPER,
        41_068_522,
        {
            "DAVIS first AJ": 63.0,
            "DAVIS strided AJ": 66.3,
            "Kinetics first AJ": 49.0,
            "RGB-Stacking first AJ": 60.8,
            "RoboTAP first AJ": 60.1,
        },
    ),
    _card(
        "taptrv2",
        "taptrv2.pth",
        "TAPTR without a cost volume: how alike a point and places are moves it",
        _PAPER_2,
        40_040_803,
        {
            "DAVIS first AJ": 63.5,
            "DAVIS strided AJ": 66.4,
            "Kinetics first AJ": 49.7,
            "RGB-Stacking first AJ": 53.4,
            "RoboTAP first AJ": 60.9,
        },
    ),
)
