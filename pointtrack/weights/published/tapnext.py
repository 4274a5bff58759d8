"""The TAPNext family: one network, four trainings. Scores are those of the authors' repository."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

_PLACE = "https://storage.googleapis.com/"
_TAPNEXT = (
    "Zholus et al., TAPNext: Tracking Any Point (TAP) as Next Token Prediction, ICCV 2025 "
    "(arXiv 2504.05579)"
)
_PLUS = (
    "TAPNext++: What's Next for Tracking Any Point (TAP)?, CVPR 2026 Findings (arXiv 2604.10582)"
)
_PARAMETERS = 194_202_881
_STREAMED = PublishedProtocol(
    "tapvid",
    options={"warm_up": True},
    note="all points in one stream from the first frame on; float16; queries 'strided' by a "
    "second pass over the reversed video",
)


def _file(place: str, note: str = "") -> OfficialFile:
    return OfficialFile(place.rpartition("/")[2], _PLACE + place, note=note)


TAPNEXT = (
    ModelCard(
        name="tapnextpp",
        family="TAPNext",
        summary="TAPNext trained on long clips: stays on a point, and finds it again",
        paper=_PLUS,
        task="online",
        parameters=_PARAMETERS,
        weights_licence="Apache-2.0",
        scores={
            "DAVIS first AJ": 65.6,
            "DAVIS first delta-avg": 79.0,
            "DAVIS first OA": 92.0,
            "Kinetics first AJ": 53.9,
            "RoboTAP first AJ": 61.1,
        },
        network="tapnext",
        resolution=(256, 256),
        files=(_file("dm-tapnet/tapnextpp/tapnextpp_ckpt.pt"),),
        protocol=_STREAMED,
    ),
    ModelCard(
        name="tapnextpp_512",
        family="TAPNext",
        summary="TAPNext++ trained further on larger pictures: more exact, five times the work",
        paper=_PLUS,
        task="online",
        parameters=_PARAMETERS,
        weights_licence="Apache-2.0",
        scores={"DAVIS first AJ": 67.0, "DAVIS strided AJ": 71.2},
        network="tapnext",
        resolution=(512, 512),
        files=(_file("gresearch/tapnextpp/tapnextpp_512.ckpt"),),
        protocol=_STREAMED,
    ),
    ModelCard(
        name="bootstapnext",
        family="TAPNext",
        summary="TAPNext trained further on unlabelled video; for clips up to some 150 frames",
        paper=_TAPNEXT,
        task="online",
        parameters=_PARAMETERS,
        weights_licence="Apache-2.0",
        scores={
            "DAVIS first AJ": 65.25,
            "DAVIS strided AJ": 68.9,
            "Kinetics first AJ": 57.3,
            "RoboTAP first AJ": 64.1,
        },
        network="tapnext",
        resolution=(256, 256),
        files=(_file("dm-tapnet/tapnext/bootstapnext_ckpt.npz"),),
        protocol=_STREAMED,
    ),
    ModelCard(
        name="tapnext",
        family="TAPNext",
        summary="points are tokens among a picture's patches, with a memory each; no search",
        paper=_TAPNEXT,
        task="online",
        parameters=_PARAMETERS,
        weights_licence="Apache-2.0",
        network="tapnext",
        resolution=(256, 256),
        files=(_file("dm-tapnet/tapnext/tapnext_ckpt.npz"),),
        protocol=_STREAMED,
    ),
)
