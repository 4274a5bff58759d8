import pickle

import cv2
import numpy as np
import pytest
from format_examples import example

from pointtrack import formats
from pointtrack.errors import FormatError


def data_set(**extra):
    points = np.array(
        [[[0.005, 0.01], [0.5, 0.5]]], np.float32
    )  # of 100 x 50: (0, 0), (49.5, 24.5)
    return {"points": points, "occluded": np.array([[False, True]]), **extra}


def dump(content, tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


def test_what_is_written_is_tap_vids_layout(tmp_path):
    formats.write(example(start=1), tmp_path / "clip.pkl")
    content = pickle.loads((tmp_path / "clip.pkl").read_bytes())
    assert list(content) == ["clip"]
    points, occluded = content["clip"]["points"], content["clip"]["occluded"]
    assert points.shape == (3, 6, 2)
    assert occluded.dtype == bool
    # One frame before the start; then the corner pixel's centre, and the last pixel's.
    assert np.isnan(points[:, 0]).all()
    assert occluded[:, 0].all()
    np.testing.assert_allclose(points[0, 1], [0.005, 0.01])
    np.testing.assert_allclose(points[1, 1], [0.995, 0.99])
    np.testing.assert_array_equal(occluded[:, 1:], ~example().visible)


@pytest.mark.parametrize(
    "video",
    [
        np.zeros((2, 50, 100, 3), np.uint8),
        np.array([cv2.imencode(".jpg", np.zeros((50, 100, 3)))[1].tobytes()] * 2, object),
        [cv2.imencode(".jpg", np.zeros((50, 100, 3)))[1].tobytes()] * 2,
    ],
)
@pytest.mark.parametrize("wrap", [lambda e: {"car": e}, lambda e: [e], lambda e: e])
def test_tap_vids_own_layouts(video, wrap, tmp_path):
    found = formats.read(dump(wrap(data_set(video=video)), tmp_path), fps=24)
    assert (found.size, found.fps) == ((100, 50), 24)
    np.testing.assert_allclose(found.xy[0], [[0, 0], [49.5, 24.5]], atol=1e-5)
    assert found.visible.tolist() == [[True, False]]


def test_without_video_the_size_must_be_given(tmp_path):
    path = dump({"car": data_set()}, tmp_path)
    with pytest.raises(FormatError, match="size of the video must be given"):
        formats.read(path)
    assert formats.read(path, size=(100, 50)).size == (100, 50)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "0 videos"),
        ({"a": data_set(), "b": data_set()}, "2 videos"),
        (3, "expected a dict of videos"),
        ({"a": {"points": np.zeros((1, 2, 2))}}, "lacks the arrays"),
        ({"a": data_set(points=np.zeros((1, 2)))}, r"points have shape \(1, 2\)"),
        ({"a": data_set(points=np.array([[["a", "b"]] * 2]))}, "points"),
        ({"a": data_set(occluded=np.zeros((2, 1)))}, "occluded has shape"),
        ({"a": data_set(size=(0, 5))}, "size"),
        ({"a": data_set(video=np.array([b"no picture"], object))}, "not a picture"),
        ({"a": data_set(size=(100, 50), names=["x", "y"])}, "1 tracks but 2 names"),
        ({"a": data_set(size=(100, 50), fps="quick")}, "frame rate"),
    ],
)
def test_wrong_content(content, words, tmp_path):
    with pytest.raises(FormatError, match=words) as caught:
        formats.read(dump(content, tmp_path))
    assert str(caught.value).count("a.pkl") == 1


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            import os

            return os.system, (f"touch {tmp_path / 'harm'}",)

    with pytest.raises(FormatError, match=r"a\.pkl .*(posix|nt)\.system.*nothing was run"):
        formats.read(dump({"a": data_set(video=Evil())}, tmp_path))
    assert not (tmp_path / "harm").exists()
