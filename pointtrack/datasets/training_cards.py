"""Cards of the data sets that trackers are trained on.

Numbers and licences are those of the data sets' own pages. Where these do not say, neither do
the cards: "unknown", "see source".
"""

from __future__ import annotations

from pointtrack.datasets.cards import READERS, DatasetCard

_KUBRIC = "Greff et al., Kubric: A Scalable Dataset Generator, CVPR 2022"
_COTRACKER3 = "Karaev et al., CoTracker3: Simpler and Better Point Tracking, ICCV 2025"
_EGOPOINTS = (
    "Darkhalil et al., EgoPoints: Advancing Point Tracking for Egocentric Videos, WACV 2025"
)

TRAINING_CARDS = (
    DatasetCard(
        "pointodyssey",
        "PointOdyssey",
        "long rendered videos of people, animals and objects in rooms and outdoors",
        "training",
        clips="159: 131 train, 15 val, 13 test",
        frames="about 2,000 in test videos, 960x540",
        download="135 GB train, 20 GB val, 27 GB test",
        licence="CC-BY-NC-SA-4.0",
        commercial=False,
        source="https://huggingface.co/datasets/aharley/pointodyssey",
        layout="{train,val,test}/SEQUENCE/{rgbs,depths,masks}/ and anno.npz, or one split",
        paper="Zheng et al., PointOdyssey: A Large-Scale Synthetic Dataset for Long-Term Point "
        "Tracking, ICCV 2023",
        reader=f"{READERS}.pointodyssey:PointOdysseyDataset",
        query_mode="given",
        protocol="practical",
    ),
    DatasetCard(
        "kubric-cotracker",
        "Kubric in CoTracker's layout",
        "rendered objects falling and colliding, with tracks as CoTracker reads them",
        "training",
        clips="as made",
        frames="as made",
        download="unknown",
        licence="see source",
        commercial=None,
        source="https://github.com/facebookresearch/co-tracker and Kubric's MOVi-F",
        layout="SEQUENCE/SEQUENCE.npy and frames/*.png, or AllTracker's CLIP/annot.npy and frames/",
        paper="Karaev et al., CoTracker: It is Better to Track Together, ECCV 2024",
        reader=f"{READERS}.kubric_folder:KubricFolderDataset",
    ),
    DatasetCard(
        "cotracker3-kubric",
        "CoTracker3 Kubric",
        "long rendered videos of falling objects, as CoTracker3 was trained on",
        "training",
        clips="about 6,000",
        frames="120, 512x512",
        download="unknown",
        licence="Apache-2.0",
        commercial=True,
        source="https://huggingface.co/datasets/facebook/CoTracker3_Kubric",
        layout="SEQUENCE/SEQUENCE.npy and SEQUENCE/frames/*.png",
        paper=_COTRACKER3,
        reader=f"{READERS}.kubric_folder:KubricFolderDataset",
    ),
    DatasetCard(
        "movi-e",
        "Kubric MOVi-E",
        "rendered objects falling and colliding before a straight-moving camera",
        "training",
        clips="about 10,000; panning about 100,000",
        frames="24 at 12 a second, 256x256",
        download="unknown",
        licence="see source",
        commercial=None,
        source="gs://kubric-public/tfds",
        layout="TFDS' *.tfrecord-*, or SCENE/{rgba,depth,...}_* of Kubric's own output",
        paper=_KUBRIC,
        reader=f"{READERS}.movi:MoviDataset",
    ),
    DatasetCard(
        "movi-f",
        "Kubric MOVi-F",
        "as MOVi-E, with motion blur",
        "training",
        clips="about 6,000",
        frames="24 at 12 a second, 512x512, 256x256 or 128x128",
        download="unknown",
        licence="see source",
        commercial=None,
        source="gs://kubric-public/tfds",
        layout="TFDS' *.tfrecord-*, or SCENE/{rgba,depth,...}_* of Kubric's own output",
        paper=_KUBRIC,
        reader=f"{READERS}.movi:MoviDataset",
    ),
    DatasetCard(
        "dynamic-replica",
        "Dynamic Replica",
        "rendered people and animals moving in scanned rooms",
        "training",
        clips="524",
        frames="300 in the videos of the evaluation, 1280x720",
        download="417 GB train, 19 GB valid, 55 GB test, unpacked",
        licence="the agreement on its page",
        commercial=None,
        source="https://dynamic-stereo.github.io",
        layout="{train,valid,test}/frame_annotations_SPLIT.jgz and what it names, or one split",
        paper="Karaev et al., DynamicStereo: Consistent Dynamic Depth from Stereo Videos, "
        "CVPR 2023",
        reader=f"{READERS}.dynamic_replica:DynamicReplicaDataset",
        query_mode="given",
        protocol="practical",
    ),
    DatasetCard(
        "flyingthings++",
        "FlyingThings++",
        "rendered things flying about, tracks chained from optical flow over 8 frames",
        "training",
        clips="as made",
        frames="8",
        download="unknown",
        licence="see source (FlyingThings3D)",
        commercial=None,
        source="https://github.com/aharley/pips and "
        "https://lmb.informatik.uni-freiburg.de/resources/datasets",
        layout="frames_cleanpass_webp/ of FlyingThings3D with trajs_*/ and occluders_*/",
        paper="Harley et al., Particle Video Revisited, ECCV 2022",
        reader=f"{READERS}.flyingthings:FlyingThingsDataset",
    ),
    DatasetCard(
        "k-epic",
        "K-EPIC",
        "head-camera videos with rendered objects, the training set beside EgoPoints",
        "training",
        clips="unknown",
        frames="unknown",
        download="unknown",
        licence="see source; videos are EPIC-KITCHENS', CC-BY-NC-4.0",
        commercial=False,
        source="https://github.com/AhmadDarKhalil/EgoPoints",
        layout="SEQUENCE/annot.npz and SEQUENCE/rgbs/*.jpg",
        paper=_EGOPOINTS,
        reader=f"{READERS}.egopoints:EgoPointsDataset",
        query_mode="given",
        protocol="practical",
    ),
)
