"""AllTracker. Scores are those of the authors' repository."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_PLACE = "https://huggingface.co/aharley/alltracker/resolve/main/"
_PAPER = "Harley et al., AllTracker: Efficient Dense Point Tracking at High Resolution, ICCV 2025"
_PROTOCOL = PublishedProtocol(
    "tapvid",
    options={"between_pixels": False},
    note="published for queries 'first', at 384x512 and at larger sizes; points are multiplied by "
    "the ratio of the sizes, which moves them by up to half a pixel",
)

ALLTRACKER = (
    ModelCard(
        name="alltracker",
        family="AllTracker",
        summary="every pixel of a point's frame is found in all others, window by window",
        paper=_PAPER,
        task="dense",
        parameters=16_476_962,
        weights_licence="MIT",
        scores={"DAVIS first AJ": 63.3, "DAVIS first delta": 76.3, "DAVIS first OA": 90.0},
        network="alltracker",
        resolution=(512, 384),
        files=(OfficialFile("alltracker.pth", f"{_PLACE}alltracker.pth"),),
        protocol=_PROTOCOL,
    ),
    ModelCard(
        name="alltracker_tiny",
        family="AllTracker",
        summary="AllTracker with a smaller encoder",
        paper=_PAPER,
        task="dense",
        parameters=6_294_050,
        weights_licence="MIT",
        network="alltracker_tiny",
        resolution=(512, 384),
        files=(OfficialFile("alltracker_tiny.pth", f"{_PLACE}alltracker_tiny.pth"),),
        protocol=_PROTOCOL,
    ),
)
