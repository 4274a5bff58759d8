"""DOT, and the flow network it chooses its points with."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_PAPER = "Le Moing, Ponce, Schmid, Dense Optical Tracking: Connecting the Dots, CVPR 2024"
_PLACE = "https://huggingface.co/16lemoing/dot/resolve/main/"
_LICENCE = "MIT"


def _file(name: str) -> OfficialFile:
    return OfficialFile(name, _PLACE + name)


DOT = (
    ModelCard(
        name="dot",
        family="DOT",
        summary="makes the tracks of any point tracker dense, and refines them as optical flow",
        paper=_PAPER,
        task="dense",
        parameters=5_785_182,
        weights_licence=_LICENCE,
        scores={
            "DAVIS first AJ": 61.2,
            "DAVIS strided AJ": 67.7,
            "CVO final EPE": 1.37,
            "CVO extended EPE": 5.11,
        },
        network="dot",
        files=(_file("movi_f_raft_patch_4_alpha.pth"),),
        protocol=PublishedProtocol(
            "tapvid",
            options={"tracker": "cotracker2", "points": 8192},
            note="with CoTracker 2, its points spread over all frames",
        ),
    ),
    ModelCard(
        name="dot_raft8",
        family="DOT",
        summary="the RAFT that DOT finds motion boundaries with, chained under every point",
        paper=_PAPER,
        task="online",
        parameters=5_257_536,
        weights_licence=_LICENCE,
        network="dot_raft8",
        files=(_file("cvo_raft_patch_8.pth"),),
    ),
)
