"""Training runs: going on exactly where they stopped, several processes, and their settings."""

from __future__ import annotations

import csv
import dataclasses
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import multiprocessing

from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.training import processes
from pointtrack.training.feeding import make_loader, requery
from pointtrack.training.held_out import make_clips, predict, score
from pointtrack.training.losses import LossConfig
from pointtrack.training.optimiser import learning_rate
from pointtrack.training.processes import Group
from pointtrack.training.run_config import (
    DataConfig,
    HeldOutConfig,
    OptimiserConfig,
    PartConfig,
    RunConfig,
    make,
    read_config,
)
from pointtrack.training.sample import Batch
from pointtrack.training.supervised import Objective, Trainer
from pointtrack.training.unroll import UnrollConfig, batch_loss, unroll

SMALL = CompactConfig((8, 16, 16, 16), (1, 1, 1), channels=8, hidden=16, embedding=8, iterations=2)
SEARCHING = UnrollConfig(rescue=30.0, again=0.3, again_doubted=0.8)
EASY = (PartConfig("easy", reverse=0.5),)
DATA = DataConfig(frames=3, size=(32, 32), points=8, tracks=8, batch=2, workers=0, parts=EASY)
CONFIG = RunConfig(
    steps=10,
    precision="float32",
    save=5,
    log=1,
    model=SMALL,
    data=DATA,
    optimiser=OptimiserConfig(warmup=3, rate=1e-3),
    held_out=HeldOutConfig(every=0),
)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def made_batch(clips: int = 2, frames: int = 4, points: int = 6) -> Batch:
    seed = torch.Generator().manual_seed(2)
    video = torch.randint(0, 256, (clips, frames, 3, 32, 32), generator=seed, dtype=torch.uint8)
    xy = torch.rand(clips, points, frames, 2, generator=seed) * 31
    visible = torch.rand(clips, points, frames, generator=seed) < 0.7
    visible[:, :, 0] = True
    valid = visible | (torch.rand(clips, points, frames, generator=seed) < 0.5)
    t = torch.arange(points).expand(clips, -1) % 2 * 2 * visible[:, :, 2]
    place = xy.gather(2, t[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    queries = torch.cat([t[..., None].float(), place], 2)
    return Batch(video, xy, visible, valid, queries, ("made",) * clips)


# --- Running a batch --------------------------------------------------------------------------


def test_every_point_is_answered_for_after_its_query_and_never_before() -> None:
    torch.manual_seed(0)
    batch = made_batch()
    begins = batch.queries[..., 0].flatten()
    for t, rows, answer, _, _ in unroll(CompactNetwork(SMALL), batch, UnrollConfig()):
        assert sorted(rows.tolist()) == torch.nonzero(begins < t).flatten().tolist()
        assert answer.xy.shape[1] == len(rows)


@pytest.mark.parametrize("changed", [UnrollConfig(recompute=True), UnrollConfig(chunk=3)])
def test_saving_memory_changes_no_gradient(changed: UnrollConfig) -> None:
    torch.manual_seed(0)
    network, batch = CompactNetwork(SMALL), made_batch()
    lengths = []
    for config in (UnrollConfig(), changed):
        network.zero_grad()
        batch_loss(network, batch, LossConfig(), config)[0].backward()
        lengths.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    torch.testing.assert_close(lengths[0], lengths[1], atol=1e-5, rtol=1e-3)


def test_a_cut_keeps_the_loss_but_not_the_gradient() -> None:
    torch.manual_seed(0)
    network, batch = CompactNetwork(SMALL), made_batch()
    losses, gradients = [], []
    for cut in (0, 1):
        network.zero_grad()
        loss, _ = batch_loss(network, batch, LossConfig(), UnrollConfig(cut=cut))
        loss.backward()
        losses.append(loss.detach())
        gradients.append(network.cell.gates.weight.grad.clone())
    torch.testing.assert_close(losses[0], losses[1])
    assert not torch.allclose(gradients[0], gradients[1])


def test_queries_in_the_last_frame_alone_still_give_a_loss() -> None:
    batch = made_batch()
    late = batch.queries.clone()
    late[..., 0] = 3
    loss, _ = batch_loss(
        CompactNetwork(SMALL), batch._replace(queries=late), LossConfig(), UnrollConfig()
    )
    loss.backward()
    assert loss == 0


@pytest.mark.parametrize("fast", [False, True])
def test_half_precision_where_the_machine_is_good_at_it(monkeypatch, tmp_path, fast) -> None:
    monkeypatch.setattr("pointtrack.networks.blocks.bfloat16.is_fast", lambda _: fast)
    losses = []
    for precision in ("auto", "bfloat16" if fast else "float32"):
        trainer = Trainer(dataclasses.replace(CONFIG, precision=precision), tmp_path / precision)
        losses.append(trainer.update(made_batch())["loss"])
    assert torch.equal(*losses)


def test_some_points_get_a_second_look_and_doubtful_ones_more_often(monkeypatch) -> None:
    network, batch = CompactNetwork(SMALL), made_batch(points=60)
    shares = []
    for doubt in (0.0, 1.0):  # no point is in doubt, all of them are
        monkeypatch.setattr("pointtrack.networks.compact_state._DOUBT", doubt)
        first, again = 0, 0
        for _, rows, answer, found, _ in unroll(network, batch, SEARCHING):
            if found is not None:
                first, places = first + len(rows), dict(zip(rows.tolist(), found.xy, strict=True))
                continue
            again += len(rows)
            for row, start in zip(rows.tolist(), answer.start, strict=True):
                assert torch.equal(start, places[row])
        shares.append(again / first)
    assert 0.2 < shares[0] < 0.4
    assert 0.7 < shares[1] < 0.9


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_a_point_goes_on_from_a_second_look_that_is_sure(monkeypatch, sure) -> None:
    network, batch = CompactNetwork(SMALL), made_batch(points=20)
    monkeypatch.setattr("pointtrack.networks.compact_state._DOUBT", 1.0)
    monkeypatch.setattr("pointtrack.networks.compact_state.SURE", sure)
    ends: dict[int, torch.Tensor] = {}
    settings = UnrollConfig(again=1.0, again_doubted=1.0)
    torch.nn.init.constant_(network.carry.bias, -200.0)  # points start where they are
    for _, rows, answer, found, _ in unroll(network, batch, settings):
        if found is not None:
            for row, start in zip(rows.tolist(), answer.start, strict=True):
                if row in ends:
                    assert torch.equal(start, ends[row])
        if found is not None or sure == 0:
            ends.update(zip(rows.tolist(), answer.xy[-1].detach(), strict=True))


def test_requery_keeps_to_visible_frames_and_to_its_seed() -> None:
    batch = made_batch(points=200)
    moved, again = requery(batch, 0.5, 3), requery(batch, 0.5, 3)
    assert torch.equal(moved.queries, again.queries)
    changed = (moved.queries != batch.queries).any(-1).float().mean()
    assert 0.1 < changed < 0.6
    t = moved.queries[..., 0].long()
    assert batch.visible.gather(2, t[..., None]).all()
    place = batch.xy.gather(2, t[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    assert torch.equal(moved.queries[..., 1:], place)
    assert torch.equal(requery(batch, 0, 3).queries, batch.queries)


# --- Stopping and going on --------------------------------------------------------------------


@pytest.mark.parametrize("muon", [False, True])
def test_ten_steps_are_five_and_five_more_to_the_bit(tmp_path: Path, muon: bool) -> None:
    optimiser = OptimiserConfig(warmup=3, rate=1e-3, muon=muon)
    config = dataclasses.replace(CONFIG, optimiser=optimiser)
    whole = Trainer(config, tmp_path / "whole")
    whole.run()
    Trainer(config, tmp_path / "parts").run(until=5)
    rest = Trainer(config, tmp_path / "parts")
    assert rest.resume()
    assert rest.step == 5
    rest.run()
    for a, b in ((whole.network, rest.network), (whole.average, rest.average)):
        for name, tensor in a.state_dict().items():
            assert torch.equal(tensor, b.state_dict()[name]), name
    curves = []
    for folder in ("whole", "parts"):
        with (tmp_path / folder / "log.csv").open() as file:
            curves.append(
                [(row["step"], row["loss"], row["gradient"]) for row in csv.DictReader(file)]
            )
    assert curves[0] == curves[1]
    assert [int(row[0]) for row in curves[0]] == list(range(1, 11))


def test_what_was_logged_after_the_checkpoint_is_dropped(tmp_path: Path) -> None:
    Trainer(CONFIG, tmp_path).run(until=5)
    with (tmp_path / "log.csv").open("a") as file:
        file.write("6" + ",0" * 11 + "\n")
    rest = Trainer(CONFIG, tmp_path)
    rest.resume()
    rest.run(until=6)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert float(rows[-1]["loss"]) > 0


def test_training_lowers_the_loss_of_a_batch(tmp_path: Path) -> None:
    trainer = Trainer(RunConfig(**{**vars(CONFIG), "steps": 1000}), tmp_path)
    batch = next(trainer.loader.forever())
    first = float(trainer.update(batch)["loss"])
    for _ in range(25):
        last = float(trainer.update(batch)["loss"])
    assert last < 0.9 * first


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    Trainer(CONFIG, tmp_path).save()
    other = RunConfig(**{**vars(CONFIG), "model": CompactConfig(**{**vars(SMALL), "hidden": 24})})
    with pytest.raises(WeightsError, match=r"last\.pt: .* has shape"):
        Trainer(other, tmp_path).resume()
    (tmp_path / "last.pt").write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match="is not a checkpoint"):
        Trainer(CONFIG, tmp_path).resume()


def test_a_stage_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    first = Trainer(CONFIG, tmp_path)
    first.save()
    start = str(tmp_path / "weights.safetensors")
    second = Trainer(RunConfig(**{**vars(CONFIG), "start": start, "seed": 9}), tmp_path / "next")
    for name, tensor in first.average.state_dict().items():
        assert torch.equal(tensor, second.network.state_dict()[name])


# --- Several processes ------------------------------------------------------------------------


def _gradients(rank: int, world: int, port: int, out: Path) -> None:
    torch.set_num_threads(1)
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world)
    )
    with processes.joined("cpu") as (group, _):
        torch.manual_seed(0)
        objective = torch.nn.parallel.DistributedDataParallel(
            Objective(CompactNetwork(SMALL), LossConfig(), SEARCHING)
        )
        batch = made_batch()
        own = Batch(*(field[group.rank : group.rank + 1] for field in batch[:6]))
        loss, _ = objective(own)
        loss.backward()
        network = objective.module.network
        torch.save({n: p.grad for n, p in network.named_parameters()}, out / f"{rank}.pt")


def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(_gradients, (2, port, tmp_path), nprocs=2)
    torch.manual_seed(0)
    network = CompactNetwork(SMALL)
    batch_loss(network, made_batch(), LossConfig(), SEARCHING)[0].backward()
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt")
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(found[name], parameter.grad, atol=1e-5, rtol=1e-3, msg=name)


def test_two_processes_see_different_halves_of_what_one_sees(tmp_path: Path) -> None:
    whole = next(Trainer(CONFIG, tmp_path).loader.forever())
    one = RunConfig(**{**vars(CONFIG), "data": DataConfig(**{**vars(DATA), "batch": 1})})
    halves = []
    for rank in range(2):
        halves.append(next(make_loader(one, Group(rank, 2)).forever()))
    assert torch.equal(torch.cat([half.video for half in halves]), whole.video)


# --- Settings ---------------------------------------------------------------------------------


def test_the_shipped_settings_can_be_read() -> None:
    folder = Path(__file__).parents[2] / "configs"
    found = [read_config(path) for path in sorted(folder.glob("compact*.toml"))]
    assert found
    assert all(config.data.parts for config in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stepz = 3", "no setting 'stepz'"),
        ("[data]\nbatch = 1.5", "data.batch must be like 4"),
        ("[data]\nbatch = true", "data.batch must be like 4"),
        ("[data]\nsize = [100, 100]", "data.size must be multiples of 16"),
        ("[data]\nsize = 64", "data.size must be whole numbers"),
        ("data = 3", "data must be a table"),
        ("[[data.parts]]\nseed = 1", "no setting 'data.parts.seed'"),
        ("steps = 0", "steps must be a whole number"),
        ('precision = "float8"', "precision must be one of"),
        ("steps = ", "is not valid TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(PointtrackError, match=words) as problem:
        read_config(path)
    assert str(path) in str(problem.value)


def test_whole_numbers_do_for_others() -> None:
    assert make(OptimiserConfig, {"clip": 2}).clip == 2


def test_the_rate_goes_up_and_then_down() -> None:
    config = OptimiserConfig(rate=1.0, rest=0.1, warmup=10)
    rates = [learning_rate(step, 110, config) for step in range(111)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert (np.diff(rates[10:]) <= 0).all()
    assert rates[60] == pytest.approx(0.55)
    assert rates[110] == pytest.approx(0.1)


# --- Measuring --------------------------------------------------------------------------------


def test_held_out_clips_score_the_truth_with_a_hundred() -> None:
    config = HeldOutConfig(clips=1, frames=4, size=(48, 32), points=12)
    clip = make_clips(config)[0]
    assert score(clip, (np.nan_to_num(clip.xy), clip.visible)) == {
        "AJ": 100, "delta": 100, "OA": 100, "within_1": 100,
    }  # fmt: skip
    xy, visible = predict(CompactNetwork(SMALL).eval(), clip)
    rows = np.arange(len(clip.queries))
    t = clip.queries[:, 0].astype(int)
    np.testing.assert_array_equal(xy[rows, t], clip.queries[:, 1:])
    assert visible[rows, t].all()
    before = np.arange(4) < t[:, None]
    assert not visible[before].any()
