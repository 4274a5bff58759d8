import numpy as np
import pytest
from format_examples import example

from pointtrack import formats
from pointtrack.errors import FormatError
from pointtrack.tracks import Tracks

# The layout After Effects itself copies to the clipboard.
FOREIGN = "\r\n".join(
    [
        "Adobe After Effects 8.0 Keyframe Data",
        "",
        "\tUnits Per Second\t29.97",
        "\tSource Width\t1920",
        "\tSource Height\t1080",
        "\tSource Pixel Aspect Ratio\t1",
        "\tComp Pixel Aspect Ratio\t1",
        "",
        "Motion Trackers\tTracker #1\tTrack Point #1\tConfidence",
        "\tFrame\tpercent",
        "\t0\t100",
        "\t1\t96.5",
        "",
        "Motion Trackers\tTracker #1\tTrack Point #1\tFeature Center",
        "\tFrame\tX pixels\tY pixels",
        "\t0\t1\t1",
        "",
        "Motion Trackers\tTracker #1\tTrack Point #1\tAttach Point",
        "\tFrame\tX pixels\tY pixels\t",
        "\t0\t938.5\t525.75\t",
        "\t2\t937.5\t526\t",
        "",
        "Motion Trackers\tTracker #1\tTrack Point #1\tSearch Size",
        "\tFrame\tX \tY ",
        "\t\t40\t40",
        "",
        "Transform\tAnchor Point",
        "\tFrame\tX pixels\tY pixels\tZ pixels",
        "\t\t960\t540\t0",
        "",
        "Transform\tPosition",
        "\tFrame\tX pixels\tY pixels\tZ pixels",
        "\t1\t0.5\t0.5\t0",
        "",
        "End of Keyframe Data",
    ]
)


def read(text, tmp_path):
    (tmp_path / "a.ae.txt").write_text(text, newline="")
    return formats.read(tmp_path / "a.ae.txt")


def test_one_point_is_the_layers_position_counted_from_the_corner(tmp_path):
    xy, visible = np.array([[[0, 0], [5, 5], [98.5, 49]]]), np.array([[1, 0, 1]])
    tracks = Tracks(xy, visible, size=(100, 50), fps=30, start=4)
    formats.write(tracks, tmp_path / "a.ae.txt")
    assert (tmp_path / "a.ae.txt").read_text() == (
        "Adobe After Effects 8.0 Keyframe Data\n\n"
        "\tUnits Per Second\t30\n\tSource Width\t100\n\tSource Height\t50\n"
        "\tSource Pixel Aspect Ratio\t1\n\tComp Pixel Aspect Ratio\t1\n\n"
        "Transform\tPosition\n\tFrame\tX pixels\tY pixels\tZ pixels\n"
        "\t4\t0.5\t0.5\t0\n\t6\t99\t49.5\t0\n\n\nEnd of Keyframe Data\n"
    )


def test_several_points_are_one_block_each(tmp_path):
    formats.write(example(), tmp_path / "a.ae.txt")
    text = (tmp_path / "a.ae.txt").read_text()
    assert text.count("Effects\tPoint Control #") == 3
    assert (
        "Effects\tPoint Control #2\tPoint #2\n\tFrame\tX pixels\tY pixels\n\t0\t99.5\t49.5\n"
        in text
    )
    assert "\tUnits Per Second\t29.97003\n" in text
    found = formats.read(tmp_path / "a.ae.txt")
    assert found.names == ("Point Control #1", "Point Control #2", "Point Control #3")


def test_data_copied_out_of_after_effects(tmp_path):
    found = read(FOREIGN, tmp_path)
    assert found.names == ("Tracker #1 Track Point #1", "Transform Position")
    assert (found.size, found.fps.numerator, found.frames) == ((1920, 1080), 30000, range(3))
    np.testing.assert_array_equal(found.xy[0, [0, 2]], [[938, 525.25], [937, 525.5]])
    np.testing.assert_array_equal(found.xy[1, 1], [0, 0])
    assert found.visible.tolist() == [[True, False, True], [False, True, False]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Adobe", "Abode"), "begins with 'Abode"),
        (("End of Keyframe Data", ""), "ends before"),
        (("29.97", "often"), "frame rate is 'often'"),
        (("1920", "wide"), "Source Width is 'wide'"),
        (("\t938.5\t", "\tleft\t"), "position in line 20 is 'left'"),
        (("\t0\t938.5\t525.75", "\t0\t938.5"), "line 20 has 2 columns"),
        (("\t1\t0.5\t0.5", "\t-1\t0.5\t0.5"), "frames count from 0"),
    ],
)
def test_wrong_data(change, words, tmp_path):
    assert change[0] in FOREIGN
    with pytest.raises(FormatError, match=words):
        read(FOREIGN.replace(*change), tmp_path)
