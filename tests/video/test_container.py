"""Video files: every container and codec gives its frames in order, from any place."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import CLOSED, OPEN, clip, encode, number, numbers, picture

from pointtrack.errors import VideoError
from pointtrack.video import Video, open_video

HEVC = {"x265-params": f"{OPEN}:log-level=none"}
VP9 = {"g": "12", "deadline": "realtime", "cpu-used": "8"}
REFRESH = {"x264-params": "keyint=12:bframes=0:intra-refresh=1"}

KINDS = {
    "mp4": {},
    "open-gop.mp4": {"options": {"x264-params": OPEN}},
    "refresh.mp4": {"options": REFRESH},
    "hevc.mp4": {"codec": "libx265", "options": HEVC},
    "fragments.mp4": {"container": {"movflags": "frag_keyframe+empty_moov"}},
    "mov": {},
    "qtrle.mov": {"codec": "qtrle", "pixels": "rgb24", "options": {"g": "12"}},
    "mkv": {},
    "open-gop.mkv": {"options": {"x264-params": OPEN}},
    "webm": {"codec": "libvpx-vp9", "options": VP9},
    "vp8.webm": {
        "codec": "libvpx",
        "options": {"g": "20", "auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"},
    },
    "avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "b-frames.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}},
    "h264.avi": {},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "gif": {"codec": "gif", "pixels": "rgb8"},
    "ts": {},
    "open-gop.ts": {"options": {"x264-params": OPEN}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}},
    "flv": {},
    "h264": {},
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("kinds") / f"a.{request.param}", **KINDS[request.param])


@pytest.mark.filterwarnings("error::UserWarning")
def test_any_order_equals_sequential_decoding(path: Path) -> None:
    video = open_video(path)
    assert (len(video), video.size, video.fps) == (40, (64, 48), 25)
    frames = list(video)
    assert numbers(frames) == list(range(40))
    np.testing.assert_allclose(video.times, np.arange(40) / 25, atol=1e-9)
    order = list(range(40)) * 2
    random.Random(7).shuffle(order)
    for index in order:
        assert np.array_equal(video[index], frames[index]), index


def test_slices_and_steps_give_the_same_frames(path: Path) -> None:
    video = open_video(path)
    every = video.to_numpy()
    for part in (slice(None, None, -1), slice(30, 3, -7), slice(5, 33, 9), slice(-4, None)):
        assert np.array_equal(video[part].to_numpy(), every[part])


def test_decoding_does_not_restart_while_reading_forwards(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pointtrack.video import container

    video = open_video(path)
    opened = []

    def counting(url: str, name: str) -> object:
        opened.append(url)
        return original(url, name)

    original = container.open_container
    monkeypatch.setattr(container, "open_container", counting)
    assert sum(1 for _ in video) == 40
    assert len(opened) == 1


def test_two_iterators_do_not_disturb_each_other(tmp_path: Path) -> None:
    video = open_video(clip(tmp_path / "a.mp4", 30))
    one, other = iter(video), iter(video[10:])
    for i in range(20):
        assert (number(next(one)), number(next(other)), number(video[29 - i])) == (
            i,
            i + 10,
            29 - i,
        )


def test_close_and_read_again(tmp_path: Path) -> None:
    with open_video(clip(tmp_path / "a.mp4", 5)) as video:
        assert number(video[3]) == 3
    assert number(video[4]) == 4
    assert numbers(video) == list(range(5))
    video.close()
    video.close()


def test_close_lets_go_of_the_file(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 30)
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not list open files")

    def held() -> int:
        return sum(link.exists() and link.samefile(path) for link in folder.iterdir())

    video = open_video(path)
    frames = iter(video)
    next(frames)
    assert held() >= 2
    video.close()
    frames.close()  # type: ignore[attr-defined]
    assert held() == 0


def test_variable_frame_rate_keeps_times(tmp_path: Path) -> None:
    seconds = [0, 0.04, 0.2, 0.24, 0.5, 1.0, 1.01, 1.5]
    for suffix in ("mp4", "mkv", "ts"):
        path = tmp_path / f"uneven.{suffix}"
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            for i, second in enumerate(seconds):
                frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
                frame.pts, frame.time_base = round(second * 1000), Fraction(1, 1000)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        video = open_video(path)
        np.testing.assert_allclose(video.times, seconds, atol=1e-3)
        np.testing.assert_allclose(video[2:6].times, np.subtract(seconds[2:6], 0.2), atol=1e-3)
        assert numbers(video) == list(range(8))
        assert float(video.fps) == pytest.approx(7 / 1.5, rel=0.01)
        assert open_video(path, fps=10).times.tolist() == (np.arange(8) / 10).tolist()


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_rate_is_exact(tmp_path: Path, rate: Fraction, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    video = open_video(clip(tmp_path / f"a.{suffix}", 9, codec=codec, rate=rate))
    assert video.fps == rate
    np.testing.assert_allclose(video.times, np.arange(9) / float(rate), atol=6e-4)


def test_time_of_a_slice_begins_at_zero_and_its_rate_follows_the_step(tmp_path: Path) -> None:
    video = open_video(clip(tmp_path / "a.mp4", 20))
    part = video[4:16:3]
    assert isinstance(part, Video)
    assert (len(part), part.fps, part.size) == (4, Fraction(25, 3), (64, 48))
    np.testing.assert_allclose(part.times, [0, 0.12, 0.24, 0.36])
    back = video[::-2][1:4]
    assert (numbers(back), back.fps) == ([17, 15, 13], Fraction(25, 2))
    np.testing.assert_allclose(back.times, [0, 0.08, 0.16])
    assert numbers(reversed(part)) == [13, 10, 7, 4]
    assert number(part[-1]) == 13
    nothing = video[5:5]
    assert (len(nothing), list(nothing), nothing.to_numpy().shape) == (0, [], (0, 48, 64, 3))
    assert nothing.times.shape == (0,)


def test_index_out_of_range(tmp_path: Path) -> None:
    video = open_video(clip(tmp_path / "a.mp4", 5))
    assert np.array_equal(video[-5], video[0])
    for index in (5, -6):
        with pytest.raises(IndexError, match="frames 0 to 4"):
            video[index]


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    """A clip cut without encoding begins between key frames; its player skips to the cut."""
    source = clip(tmp_path / "a.mp4", 40)
    cut = tmp_path / "cut.mp4"
    with av.open(str(source)) as original, av.open(str(cut), "w") as output:
        video = original.streams.video[0]
        stream = output.add_stream_from_template(video)
        for packet in original.demux(video):
            if packet.dts is None:
                continue
            first = round(5 / 25 / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, stream
            output.mux(packet)
    opened = open_video(cut)
    assert numbers(opened) == list(range(5, 40))
    assert [number(opened[i]) for i in (20, 3, 0, 34)] == [25, 8, 5, 39]


def test_cover_picture_is_not_the_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as output:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        still = av.VideoFrame.from_ndarray(picture(0, 32, 32), format="rgb24")
        output.mux(cover.encode(still.reformat(format="yuvj420p")))
        output.mux(cover.encode(None))
        for i in range(4):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture(i), format="rgb24")))
        output.mux(stream.encode(None))
    video = open_video(path)
    assert (video.size, numbers(video)) == ((64, 48), [0, 1, 2, 3])


def test_odd_size(tmp_path: Path) -> None:
    frames = [picture(i, 67, 45) for i in range(6)]
    path = encode(tmp_path / "odd.mkv", frames, "ffv1", "bgr0")
    video = open_video(path)
    assert video.size == (67, 45)
    assert np.array_equal(video.to_numpy(), np.stack(frames))


def test_size_that_changes_is_scaled_to_the_first(tmp_path: Path) -> None:
    parts = [
        encode(tmp_path / f"{w}.h264", [picture(i, w, h) for i in range(10)])
        for w, h in ((64, 48), (128, 96))
    ]
    path = tmp_path / "both.h264"
    path.write_bytes(parts[0].read_bytes() + parts[1].read_bytes())
    video = open_video(path)
    assert video.size == (64, 48)
    assert numbers(video) == [*range(10), *range(10)]
    assert video[15].shape == (48, 64, 3)


@pytest.mark.filterwarnings("error::UserWarning")
def test_gif_keeps_what_a_frame_does_not_repaint(tmp_path: Path) -> None:
    still = np.full((40, 40, 3), 255, np.uint8)
    frames = []
    for i in range(6):
        frame = still.copy()
        frame[5 * i : 5 * i + 5, 10:20] = 0  # only this changes from frame to frame
        frames.append(frame)
    path = encode(tmp_path / "a.gif", frames, "gif", "rgb8", rate=10)
    assert path.stat().st_size < 6 * 800
    video = open_video(path)
    for index in (0, 1, 2, 3, 4, 5, 4, 1):
        assert np.array_equal(video[index] > 128, frames[index] > 128)  # the palette is coarse
    np.testing.assert_allclose(video.times, np.arange(6) / 10)


def _tkhd_matrix(path: Path, matrix: tuple[int, ...]) -> None:
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes of fields
    for i, value in enumerate(matrix):
        data[place + 4 * i : place + 4 * i + 4] = value.to_bytes(4, "big", signed=True)
    path.write_bytes(data)


ONE, UNIT = 1 << 16, 1 << 30


@pytest.mark.parametrize(
    ("matrix", "clockwise", "mirrored"),
    [
        ((0, ONE, 0, -ONE, 0, 0, 48 * ONE, 0, UNIT), 1, False),
        ((-ONE, 0, 0, 0, -ONE, 0, 64 * ONE, 48 * ONE, UNIT), 2, False),
        ((0, -ONE, 0, ONE, 0, 0, 0, 64 * ONE, UNIT), 3, False),
        ((-ONE, 0, 0, 0, ONE, 0, 64 * ONE, 0, UNIT), 0, True),
        ((0, ONE, 0, ONE, 0, 0, 0, 0, UNIT), 1, True),
    ],
)
def test_display_matrix_is_applied(
    tmp_path: Path, matrix: tuple[int, ...], clockwise: int, mirrored: bool
) -> None:
    """The matrices are those of phones; FFmpeg's autorotate does the same with them."""
    path = clip(tmp_path / "a.mp4", 4)
    expected = np.rot90(open_video(path).to_numpy(), -clockwise, axes=(1, 2))
    _tkhd_matrix(path, matrix)
    video = open_video(path)
    assert video.size == ((48, 64) if clockwise % 2 else (64, 48))
    assert np.array_equal(video.to_numpy(), expected[:, :, ::-1] if mirrored else expected)


def test_name_that_looks_like_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip(tmp_path / "a.mp4", 3).rename(tmp_path / "12:30 [x] ü%d.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(open_video("12:30 [x] ü%d.mp4")) == 3


def test_reading_keeps_few_frames_in_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "long.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for i in range(600):
            frame = av.VideoFrame.from_ndarray(picture(i % 256, 320, 240), format="rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    video = open_video(path)
    for _ in video[:20]:  # buffers that stay
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in video) == 600
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 20_000  # kilobytes; all frames would be 138,000


def test_reading_backwards_holds_a_block_of_frames_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointtrack.video.reading._BACKWARD_BYTES", 5 * 64 * 48 * 3)
    asked: list[int] = []
    video = open_video(clip(tmp_path / "a.mp4", 23))
    original = video._source.frames

    def counting(wanted: range) -> object:
        asked.append(len(wanted))
        return original(wanted)

    monkeypatch.setattr(video._source, "frames", counting)
    assert numbers(video[::-1]) == list(range(22, -1, -1))
    assert max(asked) == 5


def test_what_is_not_a_video(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video at all\n" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name, words in (
        ("text.mp4", "cannot be opened as a video"),
        ("empty.mp4", "is empty"),
        ("missing.mp4", "there is no file"),
        ("x" * 300, "there is no file"),
        ("nul\0byte.mp4", "there is no file"),
    ):
        with pytest.raises(VideoError, match=words) as caught:
            open_video(tmp_path / name)
        assert name in str(caught.value)


def test_audio_only_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"sound\.mp4 has no video stream"):
        open_video(path)


def test_video_without_a_frame(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 4, container={"movflags": "faststart"})
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(VideoError, match=r"a\.mp4 holds no frame that can be decoded"):
        open_video(path)


def test_a_video_is_returned_as_it_is(tmp_path: Path) -> None:
    video = open_video(clip(tmp_path / "a.mp4", 3))
    assert open_video(video) is video
    assert repr(video) == f"Video('{tmp_path}/a.mp4', 3 frames, 64x48, 25 fps)"


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), "fast"])
def test_impossible_rate(fps: float) -> None:
    with pytest.raises(VideoError, match="fps must be a positive number"):
        open_video(np.zeros((2, 4, 4, 3), np.uint8), fps=fps)


def test_closed_and_open_gop_options_differ(tmp_path: Path) -> None:
    """Else the open-GOP cases above would test nothing."""

    def leading(options: str) -> bool:
        path = clip(tmp_path / "a.mp4", 40, options={"x264-params": options})
        with av.open(str(path)) as container:
            shown = [(p.pts, p.is_keyframe) for p in container.demux(video=0) if p.pts is not None]
        keys = [i for i, (_, key) in enumerate(shown) if key]
        return any(pts < shown[i][0] for i in keys for pts, _ in shown[i + 1 :])

    assert (leading(OPEN), leading(CLOSED)) == (True, False)
