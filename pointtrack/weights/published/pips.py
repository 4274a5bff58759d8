"""PIPs and PIPs++."""

from __future__ import annotations

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol

PIPS = (
    ModelCard(
        name="pips2",
        family="PIPs",
        summary="PIPs++: paths through 128 frames refined over time; no visibility",
        paper="Zheng et al., PointOdyssey: A Large-Scale Synthetic Dataset for Long-Term Point "
        "Tracking, ICCV 2023",
        task="offline",
        parameters=17_565_410,
        weights_licence="MIT (that of the code; none is stated for the weights)",
        scores={"DAVIS first δ": 70.6, "CroHD δ": 35.5, "PointOdyssey δ": 31.3},
        network="pips2",
        resolution=(896, 512),
        files=(
            OfficialFile(
                "reference_model/model-*.pth",
                "",
                note="reference_model.tar.gz, by the download script of github.com/aharley/pips2",
            ),
        ),
        protocol=PublishedProtocol(
            "practical",
            options={"resolution": (896, 512), "iterations": 16},
            note="all points of the first frame, judged at 256x256 without visibility",
        ),
    ),
    ModelCard(
        name="pips",
        family="PIPs",
        summary="every point's path through eight frames, window after window",
        paper="Harley, Fang, Fragkiadaki, Particle Video Revisited: Tracking Through Occlusions "
        "Using Point Trajectories, ECCV 2022",
        task="offline",
        parameters=28_677_713,
        weights_licence="MIT (that of the code; none is stated for the weights)",
        scores={"BADJA PCK": 64.4, "DAVIS strided AJ": 42.0, "DAVIS first AJ": 42.2},
        network="pips",
        resolution=(512, 320),
        files=(
            OfficialFile(
                "reference_model/model-*.pth",
                "",
                note="reference_model, from huggingface.co/aharley/pips",
            ),
        ),
        protocol=PublishedProtocol("practical", options={"resolution": (512, 320)}, note="BADJA"),
    ),
)
