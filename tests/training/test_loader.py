from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import signal
from collections import Counter

import numpy as np
import pytest
from sources import Plain
from torch.utils.data import get_worker_info

from pointtrack.errors import PointtrackError
from pointtrack.training.clips import Source
from pointtrack.training.loader import Loader
from pointtrack.training.points import PointConfig
from pointtrack.training.recipes import RECIPES, AugmentConfig, recipe
from pointtrack.training.sample import Batch, Take
from pointtrack.training.spatial import SpatialConfig
from pointtrack.training.training_set import Part, TrainingSet

SIZE = (16, 16)
POINTS = PointConfig(4)


def training_set(*sources: Source, seed: int = 3, **options: object) -> TrainingSet:
    parts = [Part(source, augment=RECIPES["cotracker"][0]) for source in sources or (Plain(),)]
    return TrainingSet(parts, SIZE, POINTS, seed, **options)  # type: ignore[arg-type]


def fingerprint(batch: Batch) -> str:
    digest = hashlib.sha256(repr(batch.names).encode())
    for tensor in batch[:5]:
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def prints(batches: list[Batch]) -> list[str]:
    return [fingerprint(batch) for batch in batches]


def names(batches: list[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.names]


def test_samples_do_not_depend_on_the_number_of_workers() -> None:
    some_useless = Plain(10, useless=frozenset({2, 3}))
    loaders = [Loader(training_set(some_useless), 2, 12, workers=workers) for workers in (0, 1, 2)]
    alone, *others = (prints(list(loader)) for loader in loaders)
    assert len(set(alone)) == 6
    assert others == [alone, alone]
    assert loaders[0].rejections == loaders[1].rejections == loaders[2].rejections
    assert loaders[0].rejections.total() > 0


def test_samples_do_not_depend_on_the_batch_size_or_what_was_asked_for_before() -> None:
    made = training_set()
    forwards = [made.sample(1, n)[0] for n in range(6)]
    other = training_set()
    for n in reversed(range(6)):
        again = other.sample(1, n)[0]
        assert again.name == forwards[n].name
        assert np.array_equal(again.video, forwards[n].video)
        assert np.array_equal(again.queries, forwards[n].queries)


def test_epochs_and_seeds_differ() -> None:
    loader = Loader(training_set(), 5, 10)
    first, second = prints(list(loader)), prints(list(loader))
    assert not set(first) & set(second)
    assert not set(first) & set(prints(list(Loader(training_set(seed=4), 5, 10))))


@pytest.mark.parametrize(("stop", "workers"), [(1, 0), (3, 0), (5, 0), (7, 0), (3, 1)])
def test_a_stopped_epoch_goes_on_with_what_was_left(stop: int, workers: int) -> None:
    whole = prints(list(itertools.islice(Loader(training_set(), 2, 10).forever(), 12)))
    loader = Loader(training_set(), 2, 10, workers=workers)
    batches = loader.forever()
    begun = prints([next(batches) for _ in range(stop)])
    state = json.loads(json.dumps(loader.state_dict()))
    batches.close()
    again = Loader(training_set(), 2, 10)
    again.load_state_dict(state)
    rest = prints(list(itertools.islice(again.forever(), 12 - stop)))
    assert begun + rest == whole


def test_one_epoch_ends_and_the_next_begins() -> None:
    loader = Loader(training_set(), 2, 7)
    assert len(loader) == 3
    seen = [(loader.epoch, loader.state_dict()["position"]) for _ in loader]
    assert seen == [(0, 2), (0, 4), (1, 0)]
    assert len(list(loader)) == 3
    assert loader.epoch == 2


def test_a_resumed_epoch_gives_only_its_rest() -> None:
    loader = Loader(training_set(), 2, 8)
    loader.load_state_dict({"seed": 3, "epoch": 5, "position": 4})
    assert len(list(loader)) == 2
    assert loader.epoch == 6


def test_ranks_share_an_epoch_and_repeat_nothing() -> None:
    alone = names(list(Loader(training_set(Plain(1000)), 4, 24)))
    ranks = [
        names(list(Loader(training_set(Plain(1000)), 2, 24, rank=r, world=2))) for r in range(2)
    ]
    assert len(ranks[0]) == len(ranks[1]) == 12
    assert not set(ranks[0]) & set(ranks[1])
    assert sorted(ranks[0] + ranks[1]) == sorted(alone)


def test_training_may_go_on_with_another_number_of_ranks() -> None:
    one = Loader(training_set(Plain(1000)), 4, 24)
    list(itertools.islice(one, 3))
    rest = names(list(one))
    begun = Loader(training_set(Plain(1000)), 4, 24)
    list(itertools.islice(begun, 3))
    halves = [Loader(training_set(Plain(1000)), 2, 24, rank=r, world=2) for r in range(2)]
    for half in halves:
        half.load_state_dict(begun.state_dict())
    assert sorted(names(list(halves[0])) + names(list(halves[1]))) == sorted(rest)


def test_every_clip_comes_once_before_any_again() -> None:
    found = names(list(itertools.islice(Loader(training_set(Plain(10)), 1, 1000).forever(), 30)))
    for again in range(3):
        assert len(set(found[10 * again : 10 * again + 10])) == 10
    assert found[:10] != found[10:20]


def test_parts_are_met_by_their_weights() -> None:
    parts = [Part(Plain(None, "a"), 0.5), Part(Plain(7, "b"), 3.5), Part(Plain(None, "c"), 0)]
    made = TrainingSet(parts, (24, 16), POINTS, 0)
    found = [made.sample(0, n)[0].name for n in range(1024)]
    kinds = Counter(name.split()[0] for name in found)
    assert kinds == {"a": 128, "b": 896}
    early = Counter(name.split()[0] for name in found[:256])
    assert 10 < early["a"] < 60
    clips = [name for name in found if name[0] == "b"]
    assert set(Counter(clips).values()) == {128}
    assert len({name for name in found if name[0] == "a"}) == 128


def test_even_the_smallest_weight_is_met() -> None:
    parts = [Part(Plain(5, "rare"), 1e-9), Part(Plain(5, "common"))]
    made = TrainingSet(parts, (24, 16), POINTS, 0)
    assert sum(made.sample(0, n)[0].name.startswith("rare") for n in range(1024)) == 1


def test_a_rejected_take_is_replaced_by_the_next_and_counted() -> None:
    useless = frozenset({2, 3, 4})
    loader = Loader(training_set(Plain(8, useless=useless)), 2, 80)
    found = names(list(loader))
    assert len(found) == 80
    assert set(found) == {f"plain {n}" for n in (0, 1, 5, 6, 7)}
    assert loader.rejections["plain: too dull"] >= 30


def test_points_that_cannot_be_found_are_counted_by_their_rule() -> None:
    made = TrainingSet([Part(Plain())], SIZE, PointConfig(4, least=9), 0)
    with pytest.raises(PointtrackError, match="100 x plain: too few points visible anywhere"):
        next(iter(Loader(made, 1, 4)))


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_broken_clip_is_named_in_one_line(workers: int) -> None:
    broken = Plain(5, broken=frozenset({3}))
    with pytest.raises(PointtrackError, match=r"^plain 3 is damaged$"):
        list(Loader(training_set(broken), 1, 5, workers=workers))


def test_a_broken_clip_may_be_left_out() -> None:
    broken = Plain(5, broken=frozenset({3}))
    loader = Loader(training_set(broken, broken="skip"), 1, 10)
    with pytest.warns(UserWarning, match="left out: plain 3 is damaged"):
        found = names(list(loader))
    assert len(found) == 10
    assert "plain 3" not in found
    assert loader.rejections["plain: cannot be read"] >= 2


def test_takes_of_one_source_that_differ_in_length_are_named() -> None:
    class Uneven(Plain):
        def draw(self, index: int, rng: np.random.Generator) -> Take:
            take = super().draw(index, rng)
            cut = 2 + index % 2
            return Take(
                take.name, take.video[:cut], take.xy[:, :cut],
                take.visible[:, :cut], take.valid[:, :cut],
            )  # fmt: skip

    with pytest.raises(PointtrackError, match="samples of a batch must be alike"):
        list(Loader(training_set(Uneven(10)), 4, 8))


class Dying(Plain):
    """Its worker is killed, as for lack of memory."""

    def draw(self, index: int, rng: np.random.Generator) -> Take:
        if get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().draw(index, rng)


@pytest.mark.slow
def test_a_killed_worker_is_one_sentence() -> None:
    with pytest.raises(PointtrackError, match="a worker that makes batches was killed"):
        list(Loader(training_set(Dying()), 1, 4, workers=1))


def test_a_training_set_is_small_on_its_way_to_a_worker() -> None:
    made = training_set(Plain(200_000))
    made.sample(0, 0)
    assert len(pickle.dumps(made)) < 20_000


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_samples_of_the_right_size(name: str) -> None:
    augmentation, points = recipe(name, 6)
    made = TrainingSet([Part(Plain(50), augment=augmentation)], (32, 24), points, 0)
    for number in range(6):
        sample, _ = made.sample(0, number)
        assert sample.video.shape == (3, 24, 32, 3)
        assert len(sample) == 6
        assert np.isfinite(sample.xy).all()


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(PointtrackError, match="no recipe 'cotraker'; there are: none, cotracker"):
        recipe("cotraker")


def test_nothing_is_done_to_takes_unless_asked_for() -> None:
    made = TrainingSet([Part(Plain())], (24, 16), POINTS, 0)
    sample, _ = made.sample(0, 0)
    index = int(sample.name.split()[1])
    assert np.array_equal(sample.video, Plain().draw(index, np.random.default_rng(0)).video)
    assert AugmentConfig().spatial == SpatialConfig()


@pytest.mark.parametrize(
    "state",
    [
        {"seed": 4, "epoch": 0, "position": 0},
        {"seed": 3, "epoch": 0, "position": 3},
        {"seed": 3, "epoch": 0, "position": 10},
        {"seed": 3, "epoch": -1, "position": 0},
        {"epoch": 0, "position": 0},
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: dict[str, int]) -> None:
    with pytest.raises(PointtrackError, match="the loader's"):
        Loader(training_set(), 2, 10).load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 11}, "no batch of 11"),
        ({"rank": 2, "world": 2}, "rank must be below"),
        ({"workers": -1}, "workers"),
        ({"prefetch": 0}, "prefetch"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(PointtrackError, match=message):
        Loader(training_set(), **{"batch_size": 2, "epoch_samples": 10, **options})


def test_a_set_without_clips_or_weight_is_refused() -> None:
    with pytest.raises(PointtrackError, match="weight above 0"):
        TrainingSet([Part(Plain(), 0)], SIZE)
    with pytest.raises(PointtrackError, match="plain holds no clip"):
        TrainingSet([Part(Plain(0))], SIZE)
    with pytest.raises(PointtrackError, match="broken must be one of raise, skip"):
        TrainingSet([Part(Plain())], SIZE, broken="ignore")  # type: ignore[arg-type]
