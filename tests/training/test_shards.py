from __future__ import annotations

import io
import itertools
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from takes import blobs, noise_take
from torch.utils.data import DataLoader

from pointtrack.errors import PointtrackError
from pointtrack.training.clips import ClipConfig
from pointtrack.training.loader import Loader
from pointtrack.training.points import PointConfig
from pointtrack.training.sample import Take, collate
from pointtrack.training.shard_samples import ShardStore
from pointtrack.training.shard_stream import ShardStream, shuffled, stream_members
from pointtrack.training.shards import INDEX, ShardSource, write_shards
from pointtrack.training.training_set import Part, TrainingSet

WHOLE = ClipConfig(5, shortest=5)


def smooth_takes(count: int) -> list[Take]:
    """Takes that survive JPEG well; some flags are off, some positions unknown."""
    takes = []
    for seed in range(count):
        take = blobs(seed, (64, 48))
        visible, valid, xy = take.visible.copy(), take.valid.copy(), take.xy.copy()
        visible[0, 1], valid[1, 2], xy[1, 2] = False, False, np.nan
        takes.append(replace(take, xy=xy, visible=visible & valid, valid=valid))
    return takes


def first(source: ShardSource, index: int) -> Take:
    return source.draw(index, np.random.default_rng(0))


@pytest.mark.parametrize("store", ["png", "jpg", "mp4"])
def test_what_is_written_is_read(tmp_path: Path, store: ShardStore) -> None:
    takes = smooth_takes(5)
    assert write_shards(iter(takes), tmp_path, per_shard=2, store=store) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        INDEX, "shard-000000.tar", "shard-000001.tar", "shard-000002.tar",
    ]  # fmt: skip
    source = pickle.loads(pickle.dumps(ShardSource(tmp_path, WHOLE)))
    assert source.count() == 5
    for index, take in enumerate(takes):
        read = first(source, index)
        assert read.name == take.name
        assert np.array_equal(read.xy, take.xy, equal_nan=True)
        assert np.array_equal(read.visible, take.visible)
        assert np.array_equal(read.valid, take.valid)
        gap = np.abs(read.video.astype(int) - take.video)
        assert gap.max() == 0 if store == "png" else gap.mean() < 3


def test_colours_are_not_swapped(tmp_path: Path) -> None:
    take = noise_take(0, (32, 32), 3)
    red = np.zeros_like(take.video)
    red[..., 0] = 220
    for store in ("png", "jpg", "mp4"):
        write_shards([replace(take, video=red)], tmp_path / store, store=store)
        read = first(ShardSource(tmp_path / store, ClipConfig(3)), 0)
        assert read.video[..., 0].mean() > 200
        assert read.video[..., 1:].mean() < 20


def test_only_the_frames_asked_for_are_decoded(tmp_path: Path) -> None:
    write_shards([noise_take(0, frames=9)], tmp_path, store="png")
    clip = ShardSource(tmp_path).clip(0)
    path = tmp_path / "shard-000000.tar"
    with tarfile.open(path) as archive:
        spoiled = [m.offset_data for m in archive if m.name.endswith(".png")][:4]
    content = bytearray(path.read_bytes())
    for offset in spoiled:
        content[offset : offset + 40] = bytes(40)
    path.write_bytes(content)
    assert np.array_equal(clip.video[4:].to_numpy(), noise_take(0, frames=9).video[4:])


def test_the_same_takes_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_shards(smooth_takes(2), tmp_path / name)
    for path in (tmp_path / "a").glob("*.tar"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_shards_without_an_index_are_looked_through(tmp_path: Path) -> None:
    write_shards(smooth_takes(5), tmp_path, per_shard=2)
    with_index = ShardSource(tmp_path, WHOLE)
    (tmp_path / INDEX).unlink()
    without = ShardSource(tmp_path, WHOLE)
    assert without.count() == 5
    for index in range(5):
        assert np.array_equal(first(without, index).video, first(with_index, index).video)


def test_webdataset_reads_what_we_write(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    takes = smooth_takes(4)
    write_shards(takes, tmp_path, per_shard=2, store="png")
    urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["json"]["name"] for sample in samples] == [take.name for take in takes]
    for sample, take in zip(samples, takes, strict=True):
        assert np.array_equal(sample["00003.png"], take.video[3])
        assert np.array_equal(sample["tracks.npz"]["visible"], take.visible)


def test_an_order_visits_few_shards_at_a_time(tmp_path: Path) -> None:
    tiny = noise_take(0, (16, 16), 1, 1)
    write_shards([tiny] * 60, tmp_path, per_shard=3, store="png")
    source = ShardSource(tmp_path)
    order = source.order(np.random.default_rng(0))
    assert sorted(order) == list(range(60))
    shards = [len({int(i) // 3 for i in order[begin : begin + 18]}) for begin in (0, 18, 36)]
    assert max(shards) <= 14  # of 20; two groups of at most 8, less what both share
    assert not np.array_equal(order, source.order(np.random.default_rng(1)))


def test_shards_feed_a_loader(tmp_path: Path) -> None:
    write_shards(smooth_takes(4), tmp_path, per_shard=2)
    made = TrainingSet([Part(ShardSource(tmp_path, ClipConfig(3)))], (64, 48), PointConfig(4))
    there = pickle.loads(pickle.dumps(made))
    alone, apart = (list(Loader(each, 2, 8)) for each in (made, there))
    assert len(alone) == 4
    assert all(bool((a.video == b.video).all()) for a, b in zip(alone, apart, strict=True))


def damaged(folder: Path, name: str, change: bytes | None) -> ShardSource:
    """A shard of one take in which a member was changed or left out."""
    write_shards([noise_take(0, (32, 24), 3)], folder / "whole")
    (folder / "bad").mkdir()
    with (
        tarfile.open(folder / "whole" / "shard-000000.tar") as old,
        tarfile.open(folder / "bad" / "s.tar", "w") as new,
    ):
        for member in old:
            data = old.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.endswith(name):
                if change is None:
                    continue
                data, member.size = change, len(change)
            new.addfile(member, io.BytesIO(data))
    return ShardSource(folder / "bad", ClipConfig(3))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("00001.jpg", b"not a picture", r"s.tar, sample 000000000: 00001.jpg is not a picture"),
        ("00001.jpg", b"", r"00001.jpg is not a picture"),
        ("00001.jpg", None, r"sample 000000000: points cover 3 frames, expected the video's 2"),
        ("tracks.npz", b"PK", r"s.tar, sample 000000000: tracks.npz is not an archive"),
        ("tracks.npz", None, r"there is no tracks.npz, only json, 00000.jpg"),
        ("json", b"{", r"json is not the description"),
        ("json", b'{"name": "x", "size": 3}', r"json is not the description"),
        ("json", b'{"name": "x", "size": [8, 8]}', r"00000.jpg is 32x24, expected 8x8"),
    ],
)
def test_a_damaged_member_is_named(
    tmp_path: Path, name: str, change: bytes | None, message: str
) -> None:
    with pytest.raises(PointtrackError, match=message):
        first(damaged(tmp_path, name, change), 0)


def test_a_shard_cut_off_is_named(tmp_path: Path) -> None:
    write_shards(smooth_takes(3), tmp_path, per_shard=3)
    path = tmp_path / "shard-000000.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 5])
    with pytest.raises(PointtrackError, match=rf"{path}: expected {len(whole)} bytes by index.npz"):
        ShardSource(tmp_path)
    (tmp_path / INDEX).unlink()
    with pytest.raises(PointtrackError, match=rf"{path} is damaged after member 000000001.0000"):
        ShardSource(tmp_path, WHOLE)
    path.unlink()
    with pytest.raises(PointtrackError, match="holds no shard"):
        ShardSource(tmp_path)


def test_what_is_no_tar_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"nothing" * 200)
    with pytest.raises(PointtrackError, match=r"x\.tar is damaged after byte 0"):
        ShardSource(tmp_path)
    (tmp_path / INDEX).write_bytes(b"nothing")
    with pytest.raises(PointtrackError, match="is not an index of shards"):
        ShardSource(tmp_path)


def test_shards_are_not_written_over_others(tmp_path: Path) -> None:
    write_shards(smooth_takes(1), tmp_path)
    with pytest.raises(PointtrackError, match="holds shards already"):
        write_shards(smooth_takes(1), tmp_path)
    with pytest.raises(PointtrackError, match="no take to write"):
        write_shards([], tmp_path / "empty")


def stream(folder: Path, **options: int) -> ShardStream:
    urls = [str(path) for path in folder.glob("*.tar")]
    return ShardStream(urls, (64, 48), ClipConfig(3), points=PointConfig(4), **options)


def test_a_stream_gives_each_sample_once_an_epoch_over_all_ranks(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    write_shards(smooth_takes(8), tmp_path, per_shard=2, store="png")
    names = []
    for rank in range(2):
        part = list(itertools.islice(stream(tmp_path, rank=rank, world=2, shuffle=3), 8))
        own = [sample.name for sample in part]
        assert len(set(own[:4])) == 4
        names += own[:4]
    assert sorted(names) == sorted(f"blobs-{n}" for n in range(8))
    again = [sample.name for sample in itertools.islice(stream(tmp_path, world=2, shuffle=3), 4)]
    assert again == names[:4]


@pytest.mark.slow
def test_workers_share_a_stream(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    write_shards(smooth_takes(8), tmp_path, per_shard=2, store="png")
    loader = DataLoader(
        stream(tmp_path), 2, num_workers=2, collate_fn=collate, multiprocessing_context="spawn"
    )
    batches = list(itertools.islice(loader, 4))
    assert len({name for batch in batches for name in batch.names}) == 8
    with pytest.raises(PointtrackError, match="expected at least 5"):
        next(iter(stream(tmp_path, rank=4, world=5)))


def test_a_stream_reads_video_files(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    write_shards(smooth_takes(2), tmp_path, store="mp4")
    assert next(iter(stream(tmp_path))).video.shape == (3, 48, 64, 3)


def test_a_stream_names_the_shard_that_is_cut_off(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    write_shards(smooth_takes(3), tmp_path)
    path = tmp_path / "shard-000000.tar"
    path.write_bytes(path.read_bytes()[:-30_000])
    with pytest.raises(PointtrackError, match=rf"{path} cannot be read after"):
        list(stream_members([str(path)]))
    with pytest.raises(PointtrackError, match="cannot be read after the beginning"):
        list(stream_members([str(tmp_path / "none.tar")]))


def test_shuffling_keeps_all_and_reaches_as_far_as_asked() -> None:
    mixed = list(shuffled(range(100), 10, np.random.default_rng(0)))
    assert sorted(mixed) == list(range(100))
    assert mixed != list(range(100))
    assert all(item <= place + 9 for place, item in enumerate(mixed))
    assert list(shuffled(range(5), 1, np.random.default_rng(0))) == list(range(5))
