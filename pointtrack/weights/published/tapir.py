"""TAP-Net and the TAPIR family. Scores are those of the authors' repository."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_PLACE = "https://storage.googleapis.com/dm-tapnet/"
_TAPIR = (
    "Doersch et al., TAPIR: Tracking Any Point with per-frame Initialization and temporal "
    "Refinement, ICCV 2023"
)
_CAUSAL = f"{_TAPIR}; Vecerik et al., RoboTAP, ICRA 2024"
_BOOTS = (
    "Doersch et al., BootsTAP: Bootstrapped Training for Tracking-Any-Point, ACCV 2024 "
    "(arXiv 2402.00847)"
)
_WHOLE = PublishedProtocol("tapvid", note="one call sees the frames before the query too")
_STREAMED = PublishedProtocol(
    "tapvid",
    options={"warm_up": True},
    note="forwards only, from the video's first frame; published for queries 'first'",
)


def _file(name: str, note: str = "") -> OfficialFile:
    return OfficialFile(name.rpartition("/")[2], _PLACE + name, note=note)


TAPNET = ModelCard(
    name="tapnet",
    family="TAP-Net",
    summary="finds a point in every frame by itself, by its cost volume; small and simple",
    paper="Doersch et al., TAP-Vid: A Benchmark for Tracking Any Point in a Video, NeurIPS 2022",
    task="offline",
    parameters=2_791_090,
    weights_licence="Apache-2.0",
    scores={
        "DAVIS first AJ": 33.0,
        "DAVIS strided AJ": 38.4,
        "Kinetics first AJ": 38.5,
        "RoboTAP first AJ": 45.1,
    },
    network="tapnet",
    resolution=(256, 256),
    files=(_file("checkpoint.npy"),),
    protocol=_WHOLE,
)

TAPIR = (
    ModelCard(
        name="bootstapir",
        family="TAPIR",
        summary="TAPIR with more convolutions, trained further on unlabelled video",
        paper=_BOOTS,
        task="offline",
        parameters=54_699_335,
        weights_licence="Apache-2.0",
        scores={
            "DAVIS first AJ": 62.4,
            "DAVIS strided AJ": 67.4,
            "Kinetics first AJ": 55.8,
            "RoboTAP first AJ": 69.2,
        },
        network="bootstapir",
        resolution=(256, 256),
        files=(_file("bootstap/bootstapir_checkpoint_v2.pt"),),
        protocol=_WHOLE,
    ),
    ModelCard(
        name="causal_bootstapir",
        family="TAPIR",
        summary="BootsTAPIR that sees no future frame",
        paper=_BOOTS,
        task="online",
        parameters=54_699_335,
        weights_licence="Apache-2.0",
        scores={
            "DAVIS first AJ": 59.7,
            "DAVIS strided AJ": 61.2,
            "Kinetics first AJ": 55.1,
            "RoboTAP first AJ": 69.1,
        },
        network="causal_bootstapir",
        resolution=(256, 256),
        files=(_file("bootstap/causal_bootstapir_checkpoint.pt"),),
        protocol=_STREAMED,
    ),
    ModelCard(
        name="tapir",
        family="TAPIR",
        summary="finds a point in every frame by itself, then refines the whole track over time",
        paper=_TAPIR,
        task="offline",
        parameters=31_072_327,
        weights_licence="Apache-2.0",
        scores={
            "DAVIS first AJ": 58.5,
            "DAVIS strided AJ": 63.3,
            "Kinetics first AJ": 50.0,
            "RoboTAP first AJ": 59.6,
        },
        network="tapir",
        resolution=(256, 256),
        files=(_file("tapir_checkpoint_panning.pt"),),
        protocol=_WHOLE,
    ),
    ModelCard(
        name="causal_tapir",
        family="TAPIR",
        summary="TAPIR that sees no future frame, for live video",
        paper=_CAUSAL,
        task="online",
        parameters=31_097_415,
        weights_licence="Apache-2.0",
        scores={
            "DAVIS first AJ": 56.2,
            "DAVIS strided AJ": 58.3,
            "Kinetics first AJ": 51.2,
            "RoboTAP first AJ": 59.1,
        },
        network="causal_tapir",
        resolution=(256, 256),
        files=(_file("causal_tapir_checkpoint.npy"),),
        protocol=_STREAMED,
    ),
    TAPNET,
)
