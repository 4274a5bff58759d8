"""Miniature copies of benchmarks, in exactly the layouts that their authors publish."""

from __future__ import annotations

import gzip
import io
import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pointtrack as pt

SIZE = (64, 48)  # width, height


def frame(index: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """One colour a frame, told apart by its red: 10 * index."""
    picture = np.full((size[1], size[0], 3), 40, np.uint8)
    picture[..., 0] = min(10 * index, 255)
    return picture


def pictures(folder: Path, names: list[str], size: tuple[int, int] = SIZE) -> None:
    folder.mkdir(parents=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), frame(index, size)[..., ::-1])


def masks(folder: Path, names: list[str], size: tuple[int, int] = SIZE) -> None:
    """Palette pictures: instance 1 in the left half, 2 in the top-right corner pixel."""
    folder.mkdir(parents=True)
    for name in names:
        mask = np.zeros((size[1], size[0]), np.uint8)
        mask[:, : size[0] // 2] = 1
        mask[0, -1] = 2
        picture = Image.fromarray(mask, "P")
        picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759)
        picture.save(folder / name)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG")
    return buffer.getvalue()


def badja(root: Path, animals: tuple[str, ...] = ("bear", "dog"), frames: int = 8) -> Path:
    """Frames 2 and 6 annotated; joint 8 at x 11, y 22, moving by (4, 1); joint 9 hidden."""
    annotations = root / "joint_annotations"
    annotations.mkdir(parents=True)
    for animal in animals:
        names = [f"{i:05d}" for i in range(frames)]
        images = f"DAVIS/JPEGImages/Full-Resolution/{animal}"
        segments = f"DAVIS/Annotations/Full-Resolution/{animal}"
        pictures(root / images, [f"{n}.jpg" for n in names])
        masks(root / segments, [f"{n}.png" for n in names])
        rows = []
        for step, t in enumerate((2, 6)):
            joints = [[0, 0]] * 37
            visible = [False] * 37
            joints[8], visible[8] = [22 + step, 11 + 4 * step], True
            joints[36], visible[36] = [30, 60], step == 1
            rows.append(
                {
                    "segmentation_path": f"{segments}/{t:05d}.png",
                    "image_path": f"{images}/{t:05d}.jpg",
                    "visibility": visible,
                    "joints": joints,
                }
            )
        (annotations / f"{animal}.json").write_text(json.dumps(rows))
    extra = [{**rows[0], "image_path": "extra_videos/cat_jump/00000.png"}]
    (annotations / "cat_jump.json").write_text(json.dumps(extra))
    return root


def badja_cleaned(root: Path) -> Path:
    (root / "complete_aa").mkdir(parents=True)
    pictures(root / "videos" / "bear", [f"{i:05d}.jpg" for i in range(5)])
    xy = np.zeros((5, 2, 2), np.float32)
    xy[..., 0], xy[..., 1] = 20 + np.arange(5)[:, None], 10
    good = np.full((5, 2), 2)
    good[4, 0] = 1
    np.savez(root / "complete_aa" / "bear.npz", animal_name="bear", trajs_g=xy, valids_g=good)
    (root / "picks_and_coords.txt").write_text("bear_0 0 20 10\nbear_1 3 20 10\n")
    return root


def jhmdb(root: Path) -> Path:
    """Two test clips of 4 frames with joints (5 pictures) and one of training."""
    from scipy.io import savemat

    (root / "splits").mkdir(parents=True)
    (root / "splits" / "wave_test_split1.txt").write_text("one.avi 2\ntrain.avi 1\ntwo.avi 2 \n")
    (root / "splits" / "wave_test_split2.txt").write_text("train.avi 2\n")
    for clip in ("one", "two"):
        pictures(root / "Rename_Images" / "wave" / clip, [f"{i:05d}.png" for i in range(1, 6)])
        joints = np.zeros((2, 15, 4))
        joints[0] = np.arange(15)[:, None] * 4 + 3.5 + np.arange(4)
        joints[1] = 20.5
        joints[1, 14] = 55.0  # below the picture
        place = root / "joint_positions" / "wave" / clip
        place.mkdir(parents=True)
        savemat(place / "joint_positions.mat", {"pos_img": joints, "viewpoint": "FRO"})
    return root


def egopoints(root: Path, sequences: tuple[str, ...] = ("P01_1", "P02_1")) -> Path:
    """Track 0 always there, 1 out of view on frames 2 and 3, 2 occluded on the last two."""
    for name in sequences:
        pictures(root / name / "rgbs", [f"frame_{i:010d}.jpg" for i in range(6)])
        arrays: dict[str, Any] = {"trajs_2d": np.zeros((6, 3, 2), np.float32)}
        arrays["trajs_2d"][..., 0] = [10, 20, 30] + np.arange(6)[:, None]
        arrays["trajs_2d"][..., 1] = 7
        for flag in ("valids", "visibs", "vis_valids"):
            arrays[flag] = np.ones((6, 3), np.float32)
        for flag in ("out_of_view", "occluded"):
            arrays[flag] = np.zeros((6, 3), np.float32)
        arrays["out_of_view"][2:4, 1] = 1
        arrays["valids"][2:4, 1] = arrays["visibs"][2:4, 1] = 0
        arrays["occluded"][4:, 2] = 1
        arrays["valids"][4:, 2] = arrays["visibs"][4:, 2] = 0
        np.savez(root / name / "annot.npz", **arrays)
    return root


def drivetrack(root: Path, compressed: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    tracks = np.full((3, 5, 2), 12.5, np.float32)
    tracks[1, 4] = np.inf
    tracks[2, :, 0] = np.arange(5)
    visible = np.ones((3, 5), bool)
    visible[2, 3] = False
    write = np.savez_compressed if compressed else np.savez
    video = np.stack([frame(i) for i in range(5)])
    write(root / "segment_0.npz", video=video, tracks=tracks, visibles=visible)
    return root


def davis(root: Path, resolution: str = "480p", names: tuple[str, ...] = ("bear", "car")) -> Path:
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "val.txt").write_text("".join(f"{n}\n" for n in names))
    for name in names:
        files = [f"{i:05d}" for i in range(4)]
        pictures(root / "JPEGImages" / resolution / name, [f"{f}.jpg" for f in files])
        masks(root / "Annotations" / resolution / name, [f"{f}.png" for f in files])
    return root


def tapvid_davis(path: Path, names: tuple[str, ...] = ("bear", "car"), frames: int = 4) -> Path:
    """Small videos with one point in the middle and one in the top-left corner."""
    points = np.zeros((2, frames, 2), np.float32)
    points[0] = 0.5
    examples = {
        name: {
            "video": np.zeros((frames, 12, 16, 3), np.uint8),
            "points": points,
            "occluded": np.zeros((2, frames), bool),
        }
        for name in names
    }
    path.write_bytes(pickle.dumps(examples))
    return path


def crohd(root: Path) -> Path:
    """Head 1 in all of 5 frames, head 7 hidden in frame 2, head 9 ignored."""
    place = root / "train" / "HT21-01"
    pictures(place / "img1", [f"{i:06d}.jpg" for i in range(1, 6)])
    rows = []
    for t in range(1, 6):
        rows.append(f"{t},1,{9 + t},20,5,7,1,1,1")
        rows.append(f"{t},7,30,10,4,4,1,1,{0 if t == 2 else 0.5}")
        rows.append(f"{t},9,30,10,4,4,0,1,1")
    (place / "gt").mkdir()
    (place / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
    return root


def horse10(root: Path) -> Path:
    pictures(root / "labeled-data" / "Sample1", [f"img{i:04d}.png" for i in range(3)])
    rows = [
        {
            "img_path": f"/someone/horse10/labeled-data/Sample1/img{i:04d}.png",
            "keypoints": np.array([[[10.0 + i, 5], [20, 6], [30, 7]]], np.float32),
            "keypoints_visible": np.array([[1, int(i != 1), 1]], np.float32),
        }
        for i in range(3)
    ]
    (root / "seq_annotation.pkl").write_bytes(pickle.dumps({"Sample1": rows}))
    return root


def tapvid3d(root: Path, extrinsics: bool = True) -> Path:
    """Two points; the camera moves right by 0.1 m a frame; one point behind it at the end."""
    for source in ("adt", "pstudio"):
        (root / source).mkdir(parents=True)
        world = np.array([[0.0, 0, 2], [0.5, -0.25, 4]])
        seen = world + np.arange(4)[:, None, None] * [-0.1, 0, 0]  # T N 3
        visible = np.ones((4, 2), bool)
        seen[3, 1, 2], visible[3, 1] = -1, False
        pose = np.eye(4)[None].repeat(4, 0)
        pose[:, 0, 3] = -0.1 * np.arange(4)
        images = [jpeg(frame(i)) for i in range(4)]
        arrays: dict[str, Any] = {
            "images_jpeg_bytes": np.array(images, object if source == "adt" else None),
            "fx_fy_cx_cy": np.array([50.0, 60, 32, 24]),
            "tracks_XYZ": seen.astype(np.float32),
            "visibility": visible,
            "queries_xyt": np.array([[32.0, 24, 0], [38.25, 20.25, 0]]),
        }
        if extrinsics:
            arrays["extrinsics_w2c"] = pose
        np.savez(root / source / "scene_0.npz", **arrays)
    return root


def numbered_video(path: Path, frames: int, fps: int = 25, size: tuple[int, int] = SIZE) -> Path:
    """A video whose frame i is 5 * i grey."""
    grey = [np.full((size[1], size[0], 3), min(5 * i, 255), np.uint8) for i in range(frames)]
    pt.write_video(path, grey, fps=fps)
    return path


def csv_row(name: str, points: NDArray[Any], occluded: NDArray[Any]) -> str:
    cells = [f"{x:.6f},{y:.6f},{int(o)}" for (x, y), o in zip(points, occluded, strict=True)]
    return ",".join([name, *cells])


def kinetics(root: Path, clips: int = 3, frames: int = 20) -> tuple[Path, Path]:
    """A CSV of one clip more than there are, and the folder of the clips at 50 fps."""
    folder = root / "clips"
    rows = []
    for index in range(clips + 1):
        name = f"video{index:06d},{index},{index + 10}"
        points = np.full((250, 2), 0.25)
        points[:, 0] = 0.5 + 0.001 * np.arange(250)
        hidden = np.zeros(250, int)
        hidden[3] = 1
        rows += [csv_row(name, points, hidden), csv_row(name, points[::-1], hidden)]
        if index < clips:
            action = folder / f"action{index % 2}"
            action.mkdir(parents=True, exist_ok=True)
            numbered_video(
                action / f"video{index:06d}_{index:06d}_{index + 10:06d}.mp4", frames, 50
            )
    path = root / "tapvid_kinetics.csv"
    path.write_text("\n".join(rows) + "\n")
    return path, folder


def pointodyssey(root: Path, frames: int = 12) -> Path:
    """Six still points in a test sequence, of which the protocol keeps the first, fifth, sixth."""
    place = root / "test" / "long"
    pictures(place / "rgbs", [f"rgb_{t:05d}.jpg" for t in range(frames)], (256, 256))
    xy = np.full((frames, 6, 2), 100.5, np.float32)  # raster
    xy[..., 0] += 10 * np.arange(6)
    visible, valid = np.ones((2, frames, 6), bool)
    visible[0, 1] = False  # hidden in frame 0: not asked for
    visible[5:, 2] = False  # visible in 5 frames only
    xy[6:, 3] = np.inf
    visible[6:, 3] = valid[6:, 3] = False  # unknown later
    visible[9:, 4] = False  # occluded at the end, but valid
    np.savez(place / "anno.npz", trajs_2d=xy, visibs=visible, valids=valid)
    return root


def dynamic_replica(root: Path, frames: int = 300) -> Path:
    """A sequence of three points that stand still; the last is visible in 10 frames only."""
    import torch

    place, rows = root / "valid", []
    names = [f"room-{t:04d}.png" for t in range(frames)]
    pictures(place / "room_left" / "images", names, (32, 24))
    (place / "room_left" / "trajectories").mkdir()
    for t, name in enumerate(names):
        tracks = f"room_left/trajectories/{t:06d}.pth"
        points = torch.tensor([[10.0, 5], [20, 10], [5, 20]])
        visible = torch.tensor([True, t == 0 or t > 200, t < 10])
        torch.save({"traj_2d": points, "verts_inds_vis": visible}, place / tracks)
        for camera in ("left", "right"):
            rows.append(
                {
                    "sequence_name": "room",
                    "frame_number": t,
                    "frame_timestamp": t / 30,
                    "camera_name": camera,
                    "image": {"path": f"room_left/images/{name}", "size": [24, 32]},
                    "trajectories": {"path": tracks},
                }
            )
    with gzip.open(place / "frame_annotations_valid.jgz", "wt") as file:
        json.dump(rows, file)
    return root
