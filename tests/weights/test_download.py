"""Downloads end whole or not at all, whatever the server does."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_server import Behaviour, serving

from pointtrack.errors import WeightsError
from pointtrack.weights import ModelCard, OfficialFile
from pointtrack.weights import download as downloading
from pointtrack.weights.download import download
from pointtrack.weights.official_files import choose, fetch, forget, place_of

CONTENT = np.random.default_rng(0).bytes(300_000)
SUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def get(behaviour: Behaviour, target: Path, sha256: str = SUM) -> str:
    with serving(behaviour) as address:
        return download(f"{address}/model.pt", target, sha256, wait=0)


def test_a_file_arrives_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "model.pt"
    seen: list[tuple[int, int]] = []
    with serving(Behaviour(CONTENT)) as address:
        found = download(f"{address}/model.pt", target, report=lambda *at: seen.append(at))
    assert found == SUM
    assert target.read_bytes() == CONTENT
    assert left(target.parent) == {"model.pt"}
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_dropped_connection_is_taken_up_where_it_broke_off(tmp_path: Path) -> None:
    server = Behaviour(CONTENT, drops=[100_000, 50_000])
    get(server, tmp_path / "model.pt")
    assert server.requests == [None, "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_later_call_goes_on_with_what_an_earlier_one_left(tmp_path: Path) -> None:
    server = Behaviour(CONTENT, drops=[120_000] + [0] * 20)
    with serving(server) as address:
        url = f"{address}/model.pt"
        with pytest.raises(WeightsError, match=r"127\.0\.0\.1: the connection breaks off.*path"):
            download(url, tmp_path / "model.pt", SUM, wait=0)
        assert left(tmp_path) == {"model.pt.part", "model.pt.part.json"}
        server.drops.clear()
        server.requests.clear()
        download(url, tmp_path / "model.pt", SUM, wait=0)
    assert server.requests == ["bytes=120000-"]
    assert left(tmp_path) == {"model.pt"}


@pytest.mark.parametrize("tag", ['"one"', "", 'W/"weak"'])
def test_a_server_without_ranges_starts_over(tmp_path: Path, tag: str) -> None:
    server = Behaviour(CONTENT, tag=tag, drops=[100_000], ranges=False)
    get(server, tmp_path / "model.pt")
    assert len(server.requests) == 2
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_a_file_that_changes_between_two_tries_is_not_mixed(tmp_path: Path) -> None:
    other = CONTENT[::-1]
    server = Behaviour(CONTENT, drops=[100_000], changes=other)
    get(server, tmp_path / "model.pt", hashlib.sha256(other).hexdigest())
    assert (tmp_path / "model.pt").read_bytes() == other


def test_parts_that_begin_elsewhere_are_not_used(tmp_path: Path) -> None:
    server = Behaviour(CONTENT, drops=[100_000], lies=True)
    get(server, tmp_path / "model.pt")
    assert server.requests == [None, "bytes=100000-", None]


def test_wrong_bytes_are_refused_and_thrown_away(tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    target.write_bytes(b"the old one")
    with pytest.raises(WeightsError, match=r"has the checksum .*, expected .*thrown away"):
        get(Behaviour(b"<html>" + CONTENT), target)
    assert target.read_bytes() == b"the old one"
    assert "model.pt.part" not in left(tmp_path)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_is_not_there_is_said_at_once(tmp_path: Path, status: int) -> None:
    server = Behaviour(CONTENT, statuses=[status])
    with pytest.raises(WeightsError, match=f"model.pt cannot be downloaded.*{status}"):
        get(server, tmp_path / "model.pt")
    assert len(server.requests) == 1


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    server = Behaviour(CONTENT, statuses=[503, 429])
    get(server, tmp_path / "model.pt")
    assert len(server.requests) == 3


def test_a_whole_part_is_not_asked_for_twice(tmp_path: Path) -> None:
    server = Behaviour(CONTENT)
    with serving(server) as address:
        url = f"{address}/model.pt"
        (tmp_path / "model.pt").mkdir()  # the disk refuses at the last moment
        with pytest.raises(WeightsError, match="cannot write"):
            download(url, tmp_path / "model.pt", SUM, wait=0)
        (tmp_path / "model.pt").rmdir()
        download(url, tmp_path / "model.pt", SUM, wait=0)
    assert server.requests == [None, f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "model.pt").read_bytes() == CONTENT


def test_offline_is_one_sentence_with_a_way_out(tmp_path: Path) -> None:
    with serving(Behaviour(CONTENT)) as address:
        pass
    with pytest.raises(WeightsError, match=r"cannot download from 127\.0\.0\.1: .*refused.*path"):
        download(f"{address}/model.pt", tmp_path / "model.pt", wait=0)


def test_a_proxy_of_the_environment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Behaviour(CONTENT)
    with serving(server) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        download("http://nowhere.invalid/model.pt", tmp_path / "model.pt", SUM, wait=0)
    assert len(server.requests) == 1


# --- official files -----------------------------------------------------------------------------


def card(url: str, **more: object) -> ModelCard:
    file = OfficialFile("model.pt", url, sha256=str(more.pop("sha256", "")))
    return ModelCard(
        "toy",
        "toy",
        "a toy",
        "none",
        "online",
        1,
        files=(file,),
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POINTTRACK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights" / "toy"


def test_the_cache_is_filled_once_and_its_checksum_kept(cache: Path) -> None:
    server = Behaviour(CONTENT)
    with serving(server) as address:
        toy = card(f"{address}/model.pt")
        path, fresh = fetch(toy, choose(toy))
        assert (path, fresh) == (cache / "model.pt", True)
        assert fetch(toy, choose(toy)) == (path, False)
    assert len(server.requests) == 1
    assert (cache / "model.pt.sha256").read_text().strip() == SUM


def test_a_changed_file_in_the_cache_is_refused(cache: Path) -> None:
    with serving(Behaviour(CONTENT)) as address:
        toy = card(f"{address}/model.pt")
        path, _ = fetch(toy, choose(toy))
        path.write_bytes(CONTENT[:-1])
        with pytest.raises(WeightsError, match=r"model.pt is not what was downloaded.*delete it"):
            fetch(toy, choose(toy))


def test_the_first_download_decides_what_later_ones_must_be(cache: Path) -> None:
    server = Behaviour(CONTENT)
    with serving(server) as address:
        toy = card(f"{address}/model.pt")
        path, _ = fetch(toy, choose(toy))
        path.unlink()
        server.content = CONTENT[::-1]
        with pytest.raises(WeightsError, match="has the checksum"):
            fetch(toy, choose(toy))
        forget(path)
        assert fetch(toy, choose(toy))[0].read_bytes() == CONTENT[::-1]


def test_a_licence_that_forbids_use_at_work_is_shown_at_download_only(cache: Path) -> None:
    with serving(Behaviour(CONTENT)) as address:
        toy = card(f"{address}/model.pt", commercial=False, weights_licence="CC-BY-NC-4.0")
        with pytest.warns(UserWarning, match=r"toy are licensed CC-BY-NC-4.0: not for commercial"):
            fetch(toy, choose(toy))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fetch(toy, choose(toy))


def test_one_file_of_an_archive(cache: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as zipped:
        zipped.writestr("models/one.pth", b"one")
        zipped.writestr("models/two.pth", b"two")
    server = Behaviour((tmp_path / "models.zip").read_bytes())
    with serving(server) as address:
        files = tuple(
            OfficialFile(f"models/{key}.pth", f"{address}/models.zip", key, archive=True)
            for key in ("one", "two", "three")
        )
        toy = ModelCard("toy", "toy", "a toy", "none", "online", 1, files=files)
        assert fetch(toy, choose(toy))[0].read_bytes() == b"one"
        assert fetch(toy, choose(toy, "two"))[0] == cache / "two.pth"
        with pytest.raises(WeightsError, match=r"has no models/three\.pth"):
            fetch(toy, choose(toy, "three"))
        with pytest.raises(WeightsError, match="no official weights 'four'; there are: official:"):
            choose(toy, "four")
    assert len(server.requests) == 1


def test_what_can_only_be_had_by_hand_says_where(cache: Path) -> None:
    file = OfficialFile("model.pth", "", note="model.tar.gz, from the authors' page")
    toy = ModelCard("toy", "toy", "a toy", "none", "online", 1, files=(file,))
    with pytest.raises(WeightsError, match=r"no file to download; get model\.tar\.gz"):
        fetch(toy, file)
    assert not place_of(toy, file).exists()


def test_two_processes_do_not_write_the_same_part(tmp_path: Path) -> None:
    part = tmp_path / "model.pt.part"
    with (
        downloading._alone(part),
        pytest.raises(WeightsError, match=r"another process is downloading model\.pt"),
        downloading._alone(part),
    ):
        pass


def test_a_page_instead_of_weights_is_not_kept(cache: Path) -> None:
    from pointtrack.weights.loading import load_network

    with serving(Behaviour(b"<!DOCTYPE html><html>log in first</html>")) as address:
        toy = card(f"{address}/model.pt", network="raft_small")
        with pytest.raises(WeightsError, match=r"model\.pt is a web page, not a file of weights"):
            load_network(toy, "official")
    assert not list(cache.iterdir())
