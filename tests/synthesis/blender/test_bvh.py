from __future__ import annotations

import numpy as np
import pytest

from pointtrack.errors import FormatError
from pointtrack.synthesis.blender.bvh import read_bvh
from pointtrack.synthesis.blender.people import Build, person_rig
from pointtrack.synthesis.blender.retarget import joint_map, perform_capture, retarget

# A small figure with the joint names of CMU's conversions: y up, looking to +z, left is +x.
BONES = (
    ("Hips", None, (0, 0, 0)),
    ("LeftUpLeg", "Hips", (4, -2, 0)),
    ("LeftLeg", "LeftUpLeg", (0, -18, 0)),
    ("LeftFoot", "LeftLeg", (0, -17, 0)),
    ("RightUpLeg", "Hips", (-4, -2, 0)),
    ("RightLeg", "RightUpLeg", (0, -18, 0)),
    ("RightFoot", "RightLeg", (0, -17, 0)),
    ("LowerBack", "Hips", (0, 4, 0)),
    ("Spine1", "LowerBack", (0, 8, 0)),
    ("Neck", "Spine1", (0, 8, 0)),
    ("Head", "Neck", (0, 4, 0)),
    ("LeftShoulder", "Spine1", (1, 7, 0)),
    ("LeftArm", "LeftShoulder", (7, 0, 0)),
    ("LeftForeArm", "LeftArm", (10, 0, 0)),
    ("LeftHand", "LeftForeArm", (8, 0, 0)),
    ("RightShoulder", "Spine1", (-1, 7, 0)),
    ("RightArm", "RightShoulder", (-7, 0, 0)),
    ("RightForeArm", "RightArm", (-10, 0, 0)),
    ("RightHand", "RightForeArm", (-8, 0, 0)),
)


def hierarchy(name=None, depth=0):
    lines = []
    for bone, parent, offset in BONES:
        if parent != name:
            continue
        lines += [f"{'ROOT' if parent is None else 'JOINT'} {bone}", "{"]
        lines.append("OFFSET " + " ".join(map(str, offset)))
        turns = "Zrotation Yrotation Xrotation"
        if parent is None:
            lines.append(f"CHANNELS 6 Xposition Yposition Zposition {turns}")
        else:
            lines.append(f"CHANNELS 3 {turns}")
        below = hierarchy(bone)
        lines += below or ["End Site", "{", "OFFSET 0 -1 3", "}"]
        lines.append("}")
    return lines


def order(name=None):
    out = []
    for bone, parent, _ in BONES:
        if parent == name:
            out += [bone, *order(bone)]
    return out


@pytest.fixture
def written(tmp_path):
    """Writes a capture of T frames; `change(values, column)` fills it."""

    def write(frames, change=lambda values, column: None):
        names = order()
        column = {name: 6 + 3 * (k - 1) for k, name in enumerate(names)}
        column["Hips"] = 0
        values = np.zeros((frames, 6 + 3 * (len(names) - 1)))
        values[:, 1] = 37
        change(values, column)
        rows = [" ".join(f"{v:.6f}" for v in row) for row in values]
        text = ["HIERARCHY", *hierarchy(), "MOTION", f"Frames: {frames}", "Frame Time: 0.0083333"]
        path = tmp_path / "walk.bvh"
        path.write_text("\n".join([*text, *rows]))
        return path

    return write


def test_joints_lie_where_the_offsets_say(written):
    capture = read_bvh(written(3))
    assert capture.values.shape[0] == 3
    assert capture.seconds == pytest.approx(1 / 120, rel=1e-3)
    pose = capture.pose()
    hand = capture.names.index("LeftHand")
    np.testing.assert_allclose(pose.heads[2, hand], (26, 37 + 4 + 8 + 7, 0), atol=1e-9)


def test_rotations_are_applied_in_the_files_order(written):
    def change(values, column):
        values[1, column["LeftArm"] : column["LeftArm"] + 3] = (90, 0, 90)  # Z then X

    pose = read_bvh(written(2, change)).pose()
    capture = read_bvh(written(2, change))
    arm, elbow = (capture.names.index(name) for name in ("LeftArm", "LeftForeArm"))
    moved = pose.heads[1, elbow] - pose.heads[1, arm]
    np.testing.assert_allclose(moved, (0, 10, 0), atol=1e-9)  # X does not turn x, Z does


def test_all_bones_of_a_cmu_file_are_found(written):
    rig = person_rig(Build())
    found = joint_map(read_bvh(written(2)), rig)
    assert set(found) == set(rig.names)


def test_a_figure_takes_the_captures_pose(written):
    def change(values, column):
        values[:, column["LeftUpLeg"] + 2] = -60  # about X: the thigh swings forward
        values[:, 2] = np.arange(4) * 10  # the hips go along +z

    rig = person_rig(Build())
    motion = retarget(read_bvh(written(4, change)), rig)
    thigh = motion.heads[0, rig["shin.l"]] - motion.heads[0, rig["thigh.l"]]
    thigh /= np.linalg.norm(thigh)
    np.testing.assert_allclose(thigh, (0, np.sin(np.pi / 3), -np.cos(np.pi / 3)), atol=0.02)
    arm = motion.heads[0, rig["forearm.l"]] - motion.heads[0, rig["arm.l"]]
    np.testing.assert_allclose(arm / np.linalg.norm(arm), (-1, 0, 0), atol=0.02)
    step = np.diff(motion.heads[:, 0], axis=0)
    assert (step[:, 1] > 0.1).all()  # +z of the file is where the figure looks
    np.testing.assert_allclose(step[:, [0, 2]], 0, atol=1e-9)


def test_a_performance_has_the_clips_frames_and_stands_on_the_ground(written):
    rig, rng = person_rig(Build()), np.random.default_rng(0)
    motion = perform_capture(written(400), rig, 24, 24, rng, np.array([2.0, 1.0]))
    assert motion.heads.shape == (24, len(rig.names), 3)
    np.testing.assert_allclose(motion.heads[:, 0, :2].mean(0), (2, 1), atol=1e-6)
    toes = motion.ends(rig)[:, [rig["foot.l"], rig["foot.r"]], 2]
    assert 0 <= toes.min() < 0.05


def test_broken_files_are_named(tmp_path, written):
    path = written(3)
    text = path.read_text()
    path.write_text(text[: len(text) - 200])
    with pytest.raises(FormatError, match=r"walk\.bvh.*expected 3 frames"):
        read_bvh(path)
    path.write_text(text.replace("Zrotation", "Wrotation", 1))
    with pytest.raises(FormatError, match="Wrotation"):
        read_bvh(path)
    with pytest.raises(FormatError, match="cannot read"):
        read_bvh(tmp_path / "missing.bvh")


def test_a_capture_without_limbs_is_refused(tmp_path):
    path = tmp_path / "stick.bvh"
    path.write_text(
        "HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS 3 Xposition Yposition Zposition "
        "End Site { OFFSET 0 1 0 } } MOTION Frames: 1 Frame Time: 0.04 0 0 0"
    )
    with pytest.raises(FormatError, match=r"thigh\.l"):
        joint_map(read_bvh(path), person_rig(Build()))
