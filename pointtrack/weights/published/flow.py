"""Flow networks as trackers: RAFT chained from frame to frame, and MFT as published."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_RAFT = "https://dl.dropboxusercontent.com/s/4j4z58wuv8o0mfz/models.zip"
_PAPER = "Teed, Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020"


def _raft(name: str, key: str, note: str) -> OfficialFile:
    return OfficialFile(f"models/{name}", _RAFT, key, note, archive=True)


FLOW = (
    ModelCard(
        name="mft_raft",
        family="MFT",
        summary="MFT as published, on its own RAFT that knows what is occluded and uncertain",
        paper="Neoral, Šerých, Matas, MFT: Long-Term Tracking of Every Pixel, WACV 2024",
        task="online",
        parameters=6_901_699,
        weights_licence="CC-BY-NC-SA-4.0",
        commercial=False,
        scores={"DAVIS strided AJ": 56.1, "DAVIS first AJ": 47.3, "Kinetics first AJ": 39.6},
        network="mft",
        files=(
            OfficialFile(
                "raft-things-sintel-kubric-splitted-occlusion-uncertainty-non-occluded-"
                "base-sintel.pth",
                "https://raw.githubusercontent.com/serycjon/MFT/master/checkpoints/"
                "raft-things-sintel-kubric-splitted-occlusion-uncertainty-non-occluded-"
                "base-sintel.pth",
            ),
        ),
        protocol=PublishedProtocol(
            "tapvid",
            options={"longest": 512},
            note="the published numbers enlarge the videos of 256x256 to 512x512 first",
        ),
    ),
    ModelCard(
        name="raft_large",
        family="RAFT",
        summary="RAFT's flow from frame to frame, chained under every point",
        paper=_PAPER,
        task="online",
        parameters=5_257_536,
        weights_licence="BSD-3-Clause",
        scores={"DAVIS strided AJ": 30.0},
        network="raft_large",
        files=(
            _raft("raft-things.pth", "things", "trained on FlyingChairs and FlyingThings"),
            _raft("raft-sintel.pth", "sintel", "also on Sintel, KITTI and HD1K"),
            _raft("raft-kitti.pth", "kitti", "for KITTI"),
            _raft("raft-chairs.pth", "chairs", "on FlyingChairs only"),
        ),
        protocol=PublishedProtocol("tapvid", options={"iterations": 32}),
    ),
    ModelCard(
        name="raft_small",
        family="RAFT",
        summary="the small RAFT, chained under every point",
        paper=_PAPER,
        task="online",
        parameters=990_162,
        weights_licence="BSD-3-Clause",
        network="raft_small",
        files=(_raft("raft-small.pth", "", "trained on FlyingChairs and FlyingThings"),),
        protocol=PublishedProtocol("tapvid", options={"iterations": 32}),
    ),
)
