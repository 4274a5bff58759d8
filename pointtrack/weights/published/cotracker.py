"""CoTracker 1, 2 and 3. Code here is our own; the weights are not for commercial use."""

from __future__ import annotations

from collections.abc import Sequence

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_THIRD = "https://huggingface.co/facebook/cotracker3/resolve/main/"
_SECOND = "https://huggingface.co/facebook/cotracker/resolve/main/"
_FIRST = "https://dl.fbaipublicfiles.com/cotracker/"
_LICENCE = "CC-BY-NC-4.0"
_PAPER_3 = (
    "Karaev et al., CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real "
    "Videos, ICCV 2025 (arXiv 2410.11831)"
)
_PAPER = "Karaev et al., CoTracker: It is Better to Track Together, ECCV 2024 (arXiv 2307.07635)"

_JOINT = PublishedProtocol(
    "cotracker",
    options={"support": 5, "threshold": 0.6, "score": "both"},
    alone={"local": 8},
    note="all points together with a grid of 5 by 5; the paper's tables ask for single points "
    "with a grid of 8 by 8 around each (--single)",
)
_NO_SUPPORT = PublishedProtocol(
    "cotracker", options={"support": 0, "warm_up": True}, note="all points together, without a grid"
)
_SECOND_PROTOCOL = PublishedProtocol(
    "cotracker",
    options={"support": 5, "warm_up": True},
    alone={"local": 8},
    note="all points together with a grid of 5 by 5; the paper's tables ask for single points "
    "with a grid of 8 by 8 around each (--single)",
)
_FIRST_PROTOCOL = PublishedProtocol(
    "cotracker", single=True, options={"support": 6}, alone={"local": 6}
)


def _third(kind: str, summary: str, scores: dict[str, float]) -> ModelCard:
    online = kind == "online"
    note = "trained on Kubric only"
    if not online:
        note += ", among random points: evaluated with a grid it is far below its number"
    return ModelCard(
        name=f"cotracker3_{kind}",
        family="CoTracker",
        summary=summary,
        paper=_PAPER_3,
        task="online" if online else "offline",
        parameters=25_385_700,
        weights_licence=_LICENCE,
        commercial=False,
        scores=scores,
        network=f"cotracker3_{kind}",
        resolution=(512, 384),
        files=(
            OfficialFile(
                f"scaled_{kind}.pth",
                f"{_THIRD}scaled_{kind}.pth",
                "scaled",
                "trained on pseudo-labelled real video too",
            ),
            OfficialFile(f"baseline_{kind}.pth", f"{_THIRD}baseline_{kind}.pth", "baseline", note),
        ),
        protocol=_NO_SUPPORT if online else _JOINT,
    )


def _earlier(
    name: str,
    url: str,
    summary: str,
    parameters: int,
    scores: dict[str, float],
    protocol: PublishedProtocol,
) -> ModelCard:
    return ModelCard(
        name=name,
        family="CoTracker",
        summary=summary,
        paper=_PAPER,
        task="online",
        parameters=parameters,
        weights_licence=_LICENCE,
        commercial=False,
        scores=scores,
        network=name,
        resolution=(512, 384),
        files=(OfficialFile(url.rpartition("/")[2], url),),
        protocol=protocol,
    )


COTRACKER: Sequence[ModelCard] = (
    _third(
        "offline",
        "points tracked together through the whole clip, forwards and backwards at once",
        {
            "DAVIS first δ": 76.9,
            "Kinetics first δ": 67.8,
            "RoboTAP first δ": 78.0,
            "RGB-Stacking first δ": 85.0,
        },
    ),
    _third(
        "online",
        "points tracked together through windows of 16 frames, for video of any length",
        {
            "DAVIS first δ": 76.7,
            "Kinetics first δ": 68.3,
            "RoboTAP first δ": 78.8,
            "RGB-Stacking first δ": 82.7,
        },
    ),
    _earlier(
        "cotracker2_w16",
        f"{_SECOND}cotracker2v1.pth",
        "CoTracker 2.1: windows of 16 frames, points meet in 64 virtual tracks",
        45_458_787,
        {"DAVIS first δ": 76.1, "Kinetics first δ": 63.0, "RoboTAP first δ": 70.6},
        _SECOND_PROTOCOL,
    ),
    _earlier(
        "cotracker2",
        f"{_SECOND}cotracker2.pth",
        "CoTracker 2: windows of 8 frames, points meet in 64 virtual tracks",
        45_458_787,
        {"DAVIS first δ": 74.6, "Kinetics first δ": 61.8, "RoboTAP first δ": 69.6},
        _SECOND_PROTOCOL,
    ),
    _earlier(
        "cotracker1",
        f"{_FIRST}cotracker_stride_4_wind_8.pth",
        "CoTracker 1: windows of 8 frames, every point looks at every other",
        24_149_859,
        {"DAVIS first AJ": 60.6, "DAVIS strided AJ": 64.8},
        _FIRST_PROTOCOL,
    ),
    _earlier(
        "cotracker1_s4_w12",
        f"{_FIRST}cotracker_stride_4_wind_12.pth",
        "CoTracker 1 with windows of 12 frames",
        24_149_859,
        {},
        _FIRST_PROTOCOL,
    ),
    _earlier(
        "cotracker1_s8_w16",
        f"{_FIRST}cotracker_stride_8_wind_16.pth",
        "CoTracker 1 with windows of 16 frames on coarser maps, for many points",
        24_149_859,
        {},
        _FIRST_PROTOCOL,
    ),
)
