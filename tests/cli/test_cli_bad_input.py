"""Bad input is one sentence and status 2, and no file is made or touched (see `refused`)."""

from __future__ import annotations

import pickle
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from cli_runs import EARLIER, Outcome, Run, contents, process, video

import pointtrack as pt


def sound(path: Path) -> None:
    """A file with a second of silence and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), "fltp", "mono")
        silence.rate = 44100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


def frameless(path: Path) -> None:
    """A video file whose stream holds no frame."""
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def broken_videos(place: Path) -> None:
    (place / "hollow").mkdir()
    (place / "hollow" / "notes.txt").write_text("no picture")
    (place / "empty.mp4").touch()
    (place / "text.mp4").write_text("this is a diary\n" * 100)
    sound(place / "sound.mp4")
    frameless(place / "none.avi")
    (place / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing.mp4", "there is no file missing.mp4"),
        ("missing/*.png", "no file matches missing/*.png"),
        ("hollow", "the folder hollow holds no pictures"),
        ("sound.mp4", "sound.mp4 has no video stream"),
        ("none.avi", "none.avi holds no frame that can be decoded"),
        ("empty.mp4", "empty.mp4 is empty"),
        ("text.mp4", "text.mp4 cannot be opened as a video"),
        ("half.png", "half.png is not a picture that can be decoded"),
        ("rtsp://", "rtsp://"),
        ("nothing://x", "nothing://x"),
        ("", "there is no file"),
    ],
)
@pytest.mark.parametrize("verb", ["track", "view"])
def test_bad_videos(refused: Run, place: Path, verb: str, name: str, expected: str) -> None:
    broken_videos(place)
    (place / "clip.csv").write_text("frame,point,x,y\n0,0,1,2\n")
    words = ["clip.csv", "--out", "old.mp4"] if verb == "view" else ["--model", "static"]
    assert expected in refused(verb, name, *words).sentence


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--point 0,64,2", "query 0 at (64, 2) lies outside the picture"),
        ("--point 0,1,1 --point 0,1,-0.6", "query 1 at (1, -0.6) lies outside the picture"),
        ("--point 8,1,1", "query 0 is at frame 8, but the video has frames 0 to 7"),
        ("--point=-1,1,1", "query 0 is at frame -1"),
        ("--point 0.5,1,1", "query 0 is at frame 0.5"),
        ("--point 0,nan,1", "query 0 is [0.0, nan, 1.0]; every number must be finite"),
        ("--point inf,1,1", "every number must be finite"),
        ("--point 1,2", "--point is 3 numbers with commas between, found '1,2'"),
        ("--point a,b,c", "found 'a,b,c'"),
        ("--frame 8", "query 0 is at frame 8"),
        ("--frame 8 --corners 3", "frame 8 is not in clip.mp4, which has 8 frames"),
        ("--frame=-1", "'--frame'"),
        ("--grid 0", "a grid takes the number of points a side, 1 or more"),
        ("--grid x", "--grid is a number such as 20, or 30x20, found 'x'"),
        ("--grid ²", "found '²'"),
        ("--grid 3x", "found '3x'"),
        ("--grid 99999", "more than 1,000,000 points"),
        ("--margin 30", "a margin of 30 does not fit"),
        ("--margin nan", "every number must be finite"),
        ("--box 70,0,80,9", "lies outside the 64x48 picture"),
        ("--box 9,9,1,1", "a box is (x0, y0, x1, y1) with x0 < x1"),
        ("--box 1,2,3", "--box is 4 numbers"),
        ("--box nan,0,9,9", "a box is"),
        ("--corners 0", "'--corners'"),
        ("--corners 99999999999", "'--corners'"),
        ("--sift many", "'--sift'"),
        ("--random -3", "'--random'"),
        ("--random 3 --seed -1", "'--seed'"),
    ],
)
def test_bad_queries(refused: Run, words: str, expected: str) -> None:
    assert expected in refused("track", "clip.mp4", "--model", "static", *words.split()).sentence


def test_a_frame_beyond_all_numbers(refused: Run) -> None:
    assert "query 0" in refused("track", "clip.mp4", "--point", "1e20,1,1").sentence


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("q.csv", "t,x,y\n", "q.csv holds no queries"),
        ("q.csv", "", "q.csv must begin with a line t,x,y"),
        ("q.csv", "t,x,y\n0,1,1\n0,left,1\n", "q.csv: query 1 must have numbers t, x, y"),
        ("q.csv", "t,x,y\n0,1,nan\n", "q.csv: query 0 is [0.0, 1.0, nan]"),
        ("q.csv", "t,x,y\n0,1,1\n0,64,1\n", "query 1 at (64, 1) lies outside"),
        ("q.json", "[]", "q.json holds no queries"),
        ("q.json", "[[0, 1, 1], [0, 1]]", "q.json: query 1 must be [t, x, y]"),
        ("q.json", "[[0, 1, ", "q.json is not JSON"),
        ("q.json", '{"t": 0}', "q.json must hold a list"),
        ("q.txt", "0 1 1", "q.txt: queries are read from .csv or .json"),
        ("q.csv", None, "cannot read q.csv: no such file"),
        ("clip.mp4", None, "clip.mp4: queries are read from"),
        (".", None, "queries are read from"),
    ],
)
def test_bad_query_files(
    refused: Run, place: Path, name: str, content: str | None, expected: str
) -> None:
    if content is not None:
        (place / name).write_text(content)
    words = ["--queries", name, "--model", "static"]
    assert expected in refused("track", "clip.mp4", *words).sentence


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("small.png", "the mask is 32x24, but the video is 64x48"),
        ("text.png", "the mask text.png cannot be read as a picture"),
        ("half.png", "the mask half.png cannot be read as a picture"),
        ("empty.png", "the mask empty.png cannot be read as a picture"),
        ("black.png", "the mask is empty"),
        ("missing.png", "there is no mask missing.png"),
        (".", "there is no mask ."),
    ],
)
def test_bad_masks(place: Path, refused: Run, name: str, expected: str) -> None:
    cv2.imwrite("small.png", np.full((24, 32), 255, np.uint8))
    cv2.imwrite("black.png", np.zeros((48, 64), np.uint8))
    (place / "half.png").write_bytes((place / "small.png").read_bytes()[:60])
    (place / "text.png").write_text("not a picture")
    (place / "empty.png").touch()
    words = ["--mask", name, "--model", "static"]
    assert expected in refused("track", "clip.mp4", *words).sentence


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--model statik", "there is no model 'statik' (did you mean static?)"),
        ("--device gpu", "there is no device 'gpu'"),
        ("--model klt --weights x.pth", "takes no weights"),
        ("--model klt --option size=3", "there is no option of klt 'size'"),
        ("--model klt --option window", "a model's option is name=value, found 'window'"),
        ("--model klt --option window=abc", "option window of klt must be like 21, found 'abc'"),
        ("--model klt --option window=21.5", "must be like 21, found 21.5"),
        ("--model klt --option anchor=true", "must be like 5, found True"),
        ("--model klt --option error=none", "must be like 1.0, found None"),
        ("--model klt --option window=1", "klt needs window >= 3"),
        ("--model klt --option anchor=1 --option anchor=2", "anchor is given twice"),
        ("--colour red", "colour must be one of"),
        ("--scale nan", "scale must be between"),
        ("--scale big", "'--scale'"),
        ("--trail -2", "'--trail'"),
        ("--modle klt", "--modle"),
        ("--model", "--model"),
        ("another.mp4", "another.mp4"),
        # What contradicts itself.
        ("--grid 3 --point 0,1,1", "points come from one of --grid, --point"),
        ("--queries q.csv --corners 3", "points come from one of --queries, --corners"),
        ("--point 0,1,1 --box 0,0,9,9", "--box and --margin go with --grid, not with --point"),
        ("--random 3 --margin 3", "--box and --margin go with --grid, not with --random"),
        ("--point 0,1,1 --mask m.png", "--mask goes with points that are made up"),
        ("--point 0,1,1 --frame 3", "--frame goes with points that are made up"),
        ("--grid 3 --seed 3", "--seed goes with --random"),
    ],
)
def test_bad_words(refused: Run, words: str, expected: str) -> None:
    assert expected in refused("track", "clip.mp4", *words.split()).sentence


def test_a_box_and_a_mask_contradict(refused: Run, place: Path) -> None:
    cv2.imwrite("m.png", np.full((48, 64), 255, np.uint8))
    words = ["--box", "0,0,9,9", "--mask", "m.png"]
    assert "a box or a mask, not both" in refused("track", "clip.mp4", *words).sentence


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--out tracks.xyz", "the suffix of tracks.xyz names no track format"),
        ("--out results", "results is no folder"),
        ("--out nowhere/a.csv", "the folder nowhere does not exist"),
        ("--out folder.csv", "cannot write folder.csv/clip.tracks.csv: it is a folder"),
        ("--out clip.mp4/a.csv", "cannot write clip.mp4/a.csv: clip.mp4 is not a folder"),
        ("--out device.csv", "cannot write device.csv: it is not a regular file"),
        ("--overlay nowhere/a.mp4", "the folder nowhere does not exist"),
        ("--overlay clip.mp4/a.mp4", "clip.mp4 is not a folder"),
        ("--overlay a.gif", "a video ends in .mp4"),
        ("--overlay folder.mp4", "cannot write folder.mp4: it is a folder"),
        ("--sheet a.bmp", "a contact sheet ends in .png or .jpg"),
        ("--sheet clip.mp4/a.png", "clip.mp4 is not a folder"),
        ("--plot a.txt", "a plot ends in .png, .svg, .pdf"),
        ("--plot nowhere/a.png", "the folder nowhere does not exist"),
        # What would overwrite something else.
        ("--overlay clip.mp4", "cannot write clip.mp4: it is the video"),
        ("--overlay ./clip.mp4", "it is the video"),
        ("--overlay link.mp4", "cannot write link.mp4: it is the video"),
        ("--mask old.png --sheet old.png", "cannot write old.png: it is the mask"),
        ("--queries old.csv --out old.csv", "cannot write old.csv: it is the query file"),
        ("--sheet a.png --plot a.png", "a.png cannot hold two results"),
    ],
)
def test_bad_places(refused: Run, place: Path, words: str, expected: str) -> None:
    (place / "folder.mp4").mkdir()
    (place / "folder.csv" / "clip.tracks.csv").mkdir(parents=True)
    (place / "link.mp4").symlink_to("clip.mp4")
    (place / "device.csv").symlink_to("/dev/null")
    assert expected in refused("track", "clip.mp4", "--model", "static", *words.split()).sentence


def test_a_picture_of_the_video_is_not_overwritten(refused: Run, place: Path) -> None:
    (place / "shot").mkdir()
    for i in range(3):
        cv2.imwrite(f"shot/{i}.png", np.full((48, 64, 3), 50 * i, np.uint8))
    for words in (["shot"], ["shot/*.png"]):
        sentence = refused("track", *words, "--sheet", "shot/1.png").sentence
        assert "cannot write shot/1.png: it is the video" in sentence


def test_a_folder_that_cannot_be_written_to(
    refused: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "locked").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "locked")
    sentence = refused("track", "clip.mp4", "--out", "locked/a.csv").sentence
    assert "the folder locked cannot be written to" in sentence


def test_json_with_an_error_prints_nothing_on_stdout(refused: Run, place: Path) -> None:
    for words in (["track", "missing.mp4"], ["models", "x"], ["evaluate", "missing.pkl"]):
        refused(*words, "--json")
    before = contents(place)
    outcome = process("track", "missing.mp4", "--json", cwd=place)
    assert outcome == Outcome(2, "", "Error: there is no file missing.mp4\n")
    assert contents(place) == before


def test_an_error_with_control_characters_is_still_one_line(refused: Run) -> None:
    assert "two lines.mp4" in refused("track", "two\nlines.mp4").sentence
    assert "\x1b" not in refused("track", "\x1b[31mred.mp4").sentence


@pytest.fixture
def tracks(place: Path) -> pt.Tracks:
    """Tracks of clip.mp4, saved as t.csv and t.npz."""
    found = pt.track("clip.mp4", pt.grid(3), "static")
    found.save("t.csv")
    found.save("t.npz")
    return found


@pytest.mark.usefixtures("tracks")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cut.csv", "cut.csv is not a table of tracks"),
        ("cut.npz", "cut.npz is not a track archive"),
        ("text.json", "text.json is not a JSON track file"),
        ("noise.pkl", "noise.pkl"),
        ("empty.csv", "empty.csv"),
        ("missing.csv", "cannot read missing.csv: no such file"),
        ("what.ever", "the suffix of what.ever names no track format"),
        ("script.py", "cannot read script.py: the format blender can only be written"),
        (".", "names no track format"),
    ],
)
@pytest.mark.parametrize("verb", ["view", "convert"])
def test_damaged_track_files(
    refused: Run, place: Path, verb: str, name: str, expected: str
) -> None:
    (place / "cut.csv").write_bytes((place / "t.csv").read_bytes()[:300])
    (place / "cut.npz").write_bytes((place / "t.npz").read_bytes()[:300])
    (place / "text.json").write_text('{"size": ')
    (place / "noise.pkl").write_bytes(np.random.default_rng(0).bytes(200))
    (place / "empty.csv").touch()
    (place / "script.py").touch()
    words = {
        "view": ["clip.mp4", name, "--out", "old.mp4"],
        "convert": [name, "old.csv"],
    }[verb]
    assert expected in refused(verb, *words).sentence


@pytest.mark.usefixtures("tracks")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("other.mp4 t.csv", "the tracks belong to a video of 64x48, but other.mp4 is 32x48"),
        ("short.mp4 t.csv", "the tracks go on to frame 7, but short.mp4 has frames 0 to 2"),
        ("clip.mp4 t.csv --out clip.mp4", "cannot write clip.mp4: it is the video"),
        ("clip.mp4 t.csv --out t.csv", "a video ends in"),
        ("clip.mp4 t.csv --sheet a.png --plot a.png", "a.png cannot hold two results"),
        ("clip.mp4 t.csv --out nowhere/a.mp4", "the folder nowhere does not exist"),
        ("clip.mp4 t.csv --sheet old.txt", "a contact sheet ends in"),
        ("clip.mp4 t.csv --plot old.txt", "a plot ends in"),
        ("clip.mp4 t.csv --scale 0", "scale must be between"),
        ("clip.mp4", "'tracks'"),
        ("", "'video'"),
    ],
)
def test_bad_views(refused: Run, place: Path, words: str, expected: str) -> None:
    video(place / "other.mp4", size=(32, 48))
    video(place / "short.mp4", count=3)
    assert expected in refused("view", *words.split()).sentence.replace("'TRACKS'", "'tracks'")


@pytest.mark.usefixtures("tracks")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("t.csv", "convert takes two files"),
        ("t.csv old.xyz", "the suffix of old.xyz names no track format"),
        ("t.csv old.csv --to words", "unknown track format 'words'"),
        ("t.csv old.csv --from words", "unknown track format 'words'"),
        ("t.csv old.csv --from json", "t.csv is not a JSON track file"),
        ("t.csv old.csv --size 0x4", "a size is WIDTHxHEIGHT"),
        ("t.csv old.csv --size ²x4", "a size is WIDTHxHEIGHT"),
        ("t.csv old.csv --resize big", "a size is WIDTHxHEIGHT"),
        ("t.csv old.csv --fps 0", "fps must be a positive number, found 0"),
        ("t.csv old.csv --fps nan", "fps must be a positive number, found nan"),
        ("t.csv old.csv --fps inf", "fps must be a positive number, found inf"),
        ("t.csv old.csv --fps fast", "'--fps'"),
        ("t.csv nowhere/a.csv", "the folder nowhere does not exist"),
        ("t.csv folder.csv", "cannot write folder.csv: it is a folder"),
        ("t.csv clip.mp4/a.csv", "cannot write clip.mp4/a.csv"),
    ],
)
def test_bad_conversions(refused: Run, place: Path, words: str, expected: str) -> None:
    (place / "folder.csv").mkdir()
    assert expected in refused("convert", *words.split()).sentence


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("missing.pkl", "there is no data set missing.pkl"),
        ("noise.pkl", "noise.pkl"),
        ("cut.pkl", "cut.pkl"),
        ("trap.pkl", "trap.pkl"),
        ("hollow", "hollow"),
        ("good.pkl --out clip.mp4/results", "clip.mp4"),
        ("good.pkl --out clip.mp4", "clip.mp4"),
        ("good.pkl --device gpu", "there is no device 'gpu'"),
        ("good.pkl --protocol x", "there is no protocol 'x'"),
    ],
)
@pytest.mark.parametrize("verb", ["evaluate", "compare"])
def test_bad_data_sets(refused: Run, place: Path, verb: str, words: str, expected: str) -> None:
    example = {
        "video": np.zeros((3, 48, 64, 3), np.uint8),
        "points": np.full((1, 3, 2), 0.5),
        "occluded": np.zeros((1, 3), bool),
    }
    whole = pickle.dumps({"a": example})
    (place / "good.pkl").write_bytes(whole)
    (place / "cut.pkl").write_bytes(whole[: len(whole) // 2])
    (place / "noise.pkl").write_bytes(np.random.default_rng(0).bytes(200))
    (place / "trap.pkl").write_bytes(b"cos\nsystem\n(S'touch trapped'\ntR.")
    (place / "hollow").mkdir()
    assert expected in refused(verb, *words.split(), "--model", "static").sentence


def test_unknown_verbs_models_and_options(refused: Run) -> None:
    assert "trakc" in refused("trakc").sentence
    assert "--verison" in refused("--verison").sentence
    assert "there is no model 'x'; there are: " in refused("models", "x").sentence


def test_what_is_there_is_still_there(refused: Run, place: Path) -> None:
    refused("track", "missing.mp4")
    assert (place / "clip.tracks.csv").read_bytes() == EARLIER
