"""GMRW. Its repository states no scores."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_BY_HAND = "the file from the folder that github.com/ayshrv/gmrw links to"

GMRW = (
    ModelCard(
        name="gmrw",
        family="GMRW",
        summary="each frame is matched with the next, pixel by pixel; learned from video alone",
        paper="Shrivastava, Owens, Self-Supervised Any-Point Tracking by Contrastive Random Walks, "
        "ECCV 2024",
        task="online",
        parameters=4_346_912,
        weights_licence="MIT",
        network="gmrw",
        resolution=(256, 256),
        files=(
            OfficialFile("kubric_73k.pth", "", "kubric", _BY_HAND),
            OfficialFile("kinetics_144k.pth", "", "kinetics", _BY_HAND),
        ),
        protocol=PublishedProtocol(
            "tapvid",
            options={"enlarge": 4, "input_scale": "raw255"},
            note="published for queries 'strided', in half precision",
        ),
    ),
)
