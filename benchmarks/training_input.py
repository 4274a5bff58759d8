"""How many clips a second each source of training input gives, and what augmentation costs.

python benchmarks/training_input.py [--clips 12] [--frames 24] [--size 256x256] [--rounds 3]

Clips are generated, twice as long as a take, and written in every form beforehand; each source
then gives random stretches of them, in one process with one thread. "Decoding" is how many clips a
second a plain loop of OpenCV or PyAV decodes when it reads the same frames from plain files,
without tracks or anything else; "ratio" is ours to that. The files have just been written, so
that the disk plays no part; a clip on the disk is twice as long as a take.
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from measuring import side_by_side

from pointtrack.datasets.pointodyssey import PointOdysseyDataset
from pointtrack.geometry import pixel_to_raster
from pointtrack.synthesis import SyntheticClip, generate, preset
from pointtrack.synthesis.storage import Store, write_clip
from pointtrack.training.clips import (
    ClipConfig,
    DatasetSource,
    GeneratedClips,
    ProceduralSource,
    Source,
    choose_frames,
)
from pointtrack.training.loader import Loader
from pointtrack.training.recipes import RECIPES, augment, recipe
from pointtrack.training.sample import Take
from pointtrack.training.shard_samples import ShardStore
from pointtrack.training.shards import ShardSource, write_shards
from pointtrack.training.training_set import Part, TrainingSet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--points", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", default="0,1,2", help="of the loader, read from shards")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = preset(
            "default", frames=2 * given.frames, size=(width, height), points=given.points
        )
        clips = [generate(seed, config) for seed in range(given.clips)]
        write_everything(clips, Path(folder))
        print(f"takes of {given.frames} frames, {width}x{height}, {given.points} points\n")
        compare_sources(Path(folder), given, (width, height))
        compare_recipes(clips, given)
        compare_workers(Path(folder), given, (width, height))


def write_everything(clips: list[SyntheticClip], out: Path) -> None:
    takes = [Take(f"{n}", c.video, c.xy, c.visible, c.valid) for n, c in enumerate(clips)]
    stores: list[ShardStore] = ["jpg", "png", "mp4"]
    for store in stores:
        write_shards(takes, out / f"shards-{store}", per_shard=8, store=store)
        for shard in (out / f"shards-{store}").glob("*.tar"):
            with tarfile.open(shard) as archive:
                archive.extractall(out / "plain", filter="data")
    kinds: list[Store] = ["png", "mp4"]
    for kind in kinds:
        (out / f"synth-{kind}").mkdir()
        for number, clip in enumerate(clips):
            write_clip(out / f"synth-{kind}" / f"clip_{number:06d}", clip, kind)
    for number, clip in enumerate(clips):
        write_pointodyssey(out / "pointodyssey" / "train" / f"scene_{number:03d}", clip)


def write_pointodyssey(folder: Path, clip: SyntheticClip) -> None:
    """As in version 1.2: a JPEG a frame, one compressed archive."""
    (folder / "rgbs").mkdir(parents=True)
    for t, frame in enumerate(clip.video):
        picture = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / "rgbs" / f"rgb_{t:05d}.jpg"), picture)
    raster = np.nan_to_num(pixel_to_raster(clip.xy)).transpose(1, 0, 2)
    np.savez_compressed(
        folder / "anno.npz",
        trajs_2d=raster.astype(np.float32),
        trajs_3d=np.zeros((*raster.shape[:2], 3), np.float32),
        visibs=clip.visible.T,
        valids=clip.valid.T,
        intrinsics=np.tile(np.eye(3, dtype=np.float32), (len(clip.video), 1, 1)),
        extrinsics=np.tile(np.eye(4, dtype=np.float32), (len(clip.video), 1, 1)),
    )


def sources(folder: Path, config: ClipConfig) -> Iterator[tuple[str, str, str, Source]]:
    """Name, folder, kind of frames, source."""
    for kind in ("png", "mp4"):
        place = f"synth-{kind}"
        yield "synth folder", place, kind, DatasetSource(GeneratedClips(folder / place), config)
    for kind in ("jpg", "png", "mp4"):
        place = f"shards-{kind}"
        yield "shards", place, kind, ShardSource(folder / place, config)
    scenes = PointOdysseyDataset(folder / "pointodyssey")
    yield "PointOdyssey", "pointodyssey", "jpg", DatasetSource(scenes, config)


def compare_sources(folder: Path, given: argparse.Namespace, size: tuple[int, int]) -> None:
    config = ClipConfig(given.frames)
    heads = ("clips/s", "frames/s", "decoding", "ratio", "MB/clip")
    print(f"{'source':24}" + "".join(f"{head:>10}" for head in heads))
    made = preset("default", frames=given.frames, size=size, points=given.points)
    rate = given.clips / best(given.rounds, lambda: draw_all(ProceduralSource(made), given.clips))
    print(f"{'procedural, on the fly':24}{rate:10.2f}{rate * given.frames:10.1f}", flush=True)
    for name, place, kind, source in sources(folder, config):
        ours, decoding = side_by_side(
            lambda source=source: draw_all(source, given.clips),
            lambda kind=kind: decode_all(folder, kind, config, given.clips),
            given.rounds,
        )
        size_on_disk = sum(p.stat().st_size for p in (folder / place).rglob("*") if p.is_file())
        rate, alone = given.clips / ours, given.clips / decoding
        print(
            f"{f'{name}, {kind}':24}{rate:10.2f}{rate * given.frames:10.1f}{alone:10.2f}"
            f"{rate / alone:10.2f}{size_on_disk / given.clips / 1e6:10.2f}",
            flush=True,
        )


def compare_recipes(clips: list[SyntheticClip], given: argparse.Namespace) -> None:
    takes = [
        Take("x", c.video[: given.frames], c.xy[:, : given.frames],
             c.visible[:, : given.frames], c.valid[:, : given.frames])
        for c in clips
    ]  # fmt: skip
    print(f"\n{'augmentation':24}{'clips/s':>10}{'ms/clip':>10}")
    for name in RECIPES:
        seconds = best(given.rounds, lambda name=name: augment_all(takes, name))
        rate = len(takes) / seconds
        print(f"{name:24}{rate:10.1f}{1e3 / rate:10.1f}", flush=True)


def compare_workers(folder: Path, given: argparse.Namespace, size: tuple[int, int]) -> None:
    augmentation, points = recipe("cotracker", given.points)
    source = ShardSource(folder / "shards-jpg", ClipConfig(given.frames))
    made = TrainingSet([Part(source, augment=augmentation)], size, points)
    print(f"\n{'loader, cotracker':24}{'clips/s':>10}")
    for workers in (int(count) for count in given.workers.split(",")):
        loader = Loader(made, 2, 1 << 20, workers=workers)
        batches = loader.forever()
        for _ in range(2 * max(workers, 1) + 2):  # workers have begun, what was ready is used up
            next(batches)
        began = time.perf_counter()
        for _ in range(2 * given.clips):
            next(batches)
        rate = 4 * given.clips / (time.perf_counter() - began)
        batches.close()
        print(f"{f'{workers} workers':24}{rate:10.1f}", flush=True)


def draw_all(source: Source, clips: int) -> None:
    for index in range(clips):
        source.draw(index, np.random.default_rng(index))


def decode_all(folder: Path, kind: str, config: ClipConfig, clips: int) -> None:
    """Decode the frames that `draw_all` asks for, as a plain loop does, and no more."""
    for index in range(clips):
        place = folder / "plain" / f"{index:09d}"
        total = len(list(place.parent.glob(f"{index:09d}.*.jpg")))
        frames = choose_frames(total, config, np.random.default_rng(index))
        assert frames is not None
        if kind != "mp4":
            for t in frames:
                cv2.imread(f"{place}.{t:05d}.{kind}")
            continue
        with av.open(f"{place}.mp4") as container:
            for t, frame in enumerate(container.decode(video=0)):
                if t >= frames[0]:
                    frame.to_ndarray(format="rgb24")
                if t == frames[-1]:
                    break


def augment_all(takes: list[Take], name: str) -> None:
    config = RECIPES[name][0]
    for number, take in enumerate(takes):
        augment(take, config, take.size, np.random.default_rng(number))


def best(rounds: int, work: Callable[[], object]) -> float:
    """The least seconds of a few rounds."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
