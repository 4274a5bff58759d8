"""Track-On2. Scores (δ avg) are those of the authors' repository."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_HUB = "https://huggingface.co/"
_PLACE = f"{_HUB}gorkaydemir/track_on2/resolve/main/"
_PAPER = (
    "Aydemir et al., Track-On: Transformer-based Online Point Tracking with Memory, ICLR 2025; "
    "Track-On2: Enhancing Online Point Tracking with Memory, 2025"
)
_SUMMARY = "sees a frame at a time; each point remembers its own past and picks its cell"
_PROTOCOL = PublishedProtocol(
    "tapvid",
    options={"support": 20, "warm_up": True},
    note="DAVIS with 24 remembered frames; taken in half precision",
)
_DINOV3 = "without DINOv3's weights, which Meta gives out under a licence of its own"

# What the checkpoints leave out, by model.
TRANSFORMERS = {
    "trackon2": OfficialFile(
        "model.safetensors",
        "",
        note=f"model.safetensors at {_HUB}facebook/dinov3-vits16plus-pretrain-lvd1689m",
    ),
    "trackon2_dinov2": OfficialFile(
        "model.safetensors", f"{_HUB}facebook/dinov2-small/resolve/main/model.safetensors"
    ),
}

TRACKON = (
    ModelCard(
        name="trackon2",
        family="Track-On",
        summary=f"{_SUMMARY}; on DINOv3",
        paper=_PAPER,
        task="online",
        parameters=49_182_747,
        weights_licence="MIT, as the code (nothing else is stated); DINOv3 License",
        scores={
            "DAVIS first δ": 79.9,
            "Kinetics first δ": 69.3,
            "RoboTAP first δ": 80.5,
            "Dynamic Replica δ": 74.5,
            "PointOdyssey δ": 45.1,
        },
        network="trackon2",
        resolution=(512, 384),
        files=(
            OfficialFile(
                "trackon2_dinov3_checkpoint.pt",
                f"{_PLACE}trackon2_dinov3_checkpoint.pt",
                key="kubric",
                note=_DINOV3,
            ),
            OfficialFile(
                "track_on_r.pt",
                f"{_HUB}gorkaydemir/track_on_r/resolve/main/track_on_r.pt",
                key="real",
                note=f"Track-On-R, trained further on real video; {_DINOV3}",
            ),
        ),
        protocol=_PROTOCOL,
    ),
    ModelCard(
        name="trackon2_dinov2",
        family="Track-On",
        summary=f"{_SUMMARY}; on DINOv2",
        paper=_PAPER,
        task="online",
        parameters=45_495_579,
        weights_licence="MIT, as the code (nothing else is stated); DINOv2: Apache-2.0",
        scores={
            "DAVIS first δ": 79.8,
            "Kinetics first δ": 69.1,
            "RoboTAP first δ": 80.0,
            "Dynamic Replica δ": 74.6,
            "PointOdyssey δ": 47.4,
        },
        network="trackon2_dinov2",
        resolution=(512, 384),
        files=(
            OfficialFile(
                "trackon2_dinov2_checkpoint.pt",
                f"{_PLACE}trackon2_dinov2_checkpoint.pt",
                note="without DINOv2's weights, which are downloaded by themselves",
            ),
        ),
        protocol=_PROTOCOL,
    ),
)
