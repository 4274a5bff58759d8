import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pointtrack.errors import FormatError
from pointtrack.formats.safe_pickle import safe_load

JPEGS = np.empty(2, object)
JPEGS[:] = [b"\xff\xd8 one", b"\xff\xd8 two, longer"]

DATA = [
    None,
    True,
    -(2**100),
    1.5,
    "text – 点",
    b"bytes\x00\xff",
    bytearray(b"abc"),
    [1, (2, "three"), {4: [5]}, {6, 7}, frozenset({8})],
    np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
    np.zeros((3, 4, 5), np.float64).transpose(1, 0, 2),
    np.zeros((0, 4, 2), np.float32),
    np.array(3.5),
    np.array([True, False]),
    np.array(["a", "bcd"]),
    np.array([b"a", b"bcd"]),
    np.array([1 + 2j]),
    JPEGS,
    np.array([[None, "x"], [{"k": np.arange(3)}, 2]], object),
    np.float32(0.1),
    np.bool_(True),
    np.int64(-5),
]


def load(data):
    return safe_load(io.BytesIO(data))


def assert_equal(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype.newbyteorder("=") or found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        assert repr(found.tolist()) == repr(wanted.tolist())
    else:
        assert found == wanted


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", DATA, ids=lambda value: type(value).__name__)
def test_data_of_every_protocol(value, protocol):
    assert_equal(load(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("other", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("value", [JPEGS, np.arange(3.0), np.float32(2)], ids=["O", "f", "scalar"])
def test_pickles_of_old_and_new_numpy(value, protocol, other):
    data = _without_frames(pickle.dumps(value, protocol))
    ours = np.core.__name__ if np.__version__ < "2" else "numpy._core"
    for module in ("multiarray", "numeric"):
        old, new = f"{ours}.{module}", f"{other}.{module}"
        for form in (lambda name: b"c" + name.encode() + b"\n",
                     lambda name: struct.pack("<BB", 0x8C, len(name)) + name.encode()):  # fmt: skip
            data = data.replace(form(old), form(new))
    assert other.encode() + b"." in data
    assert_equal(load(data), value)


def _without_frames(data):
    start = data.find(b"\x95") if data[:2] in (b"\x80\x04", b"\x80\x05") else -1
    return data if start != 2 else data[:2] + data[11:]


@given(
    arrays.arrays(
        arrays.scalar_dtypes().filter(lambda d: d.kind in "biufcSU" and d.itemsize),
        arrays.array_shapes(min_dims=0, min_side=0),
    ),
    st.integers(0, pickle.HIGHEST_PROTOCOL),
)
@settings(deadline=None, max_examples=60)
def test_any_array(value, protocol):
    data = pickle.dumps(value, protocol)
    found, wanted = load(data), pickle.loads(data)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.flags.f_contiguous == wanted.flags.f_contiguous
    assert found.tobytes() == wanted.tobytes()


def test_an_ordered_dict_becomes_a_dict():
    assert load(pickle.dumps(OrderedDict(b=1, a=2))) == {"b": 1, "a": 2}


def test_the_same_array_twice_stays_one():
    array = np.arange(3)
    first, second = load(pickle.dumps([array, array], 4))
    assert first is second


def test_a_big_array_outside_of_frames():
    value = {"video": np.random.default_rng(0).integers(0, 255, (10, 100, 100, 3), np.uint8)}
    np.testing.assert_array_equal(load(pickle.dumps(value, 4))["video"], value["video"])


class Instance:
    pass


class Reduced:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def no():
    raise AssertionError("this ran")


HARM = [
    Reduced(no, ()),
    Reduced(eval, ("no()",)),
    Reduced(getattr, ("a", "upper")),
    Reduced(exec, ("no()",)),
    Reduced(__import__, ("os",)),
    Reduced(np.load, ("x.npy", None, True)),
    Reduced(np.fromfile, ("/etc/hostname",)),
    Reduced(bytearray, (10**15,)),
    Instance(),
    Instance,
    print,
    np.ndarray((2,), np.dtype([("a", "i4"), ("b", "O")])),
    np.array(["2024-01-01"], "M8[D]"),
    range(3),
    slice(1),
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", HARM, ids=lambda value: str(type(value).__name__))
def test_anything_but_data_is_refused(value, protocol):
    data = pickle.dumps({"points": [value]}, protocol)
    with pytest.raises(FormatError, match="pickle of plain data"):
        load(data)


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'touch harm'\ntR.",
        b"c__builtin__\neval\n(S'no()'\ntR.",
        b"(S'touch harm'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch harm'\no.",
        b"Pname\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x04\x8c\x05numpy\x8c\x10core.os.system()\x93.",
        b"\x80\x05\x97.",
        b"\x80\x02}q\x00}b.",  # sets the state of a dict
    ],
)
def test_handmade_attacks_are_refused(code):
    with pytest.raises(FormatError):
        load(code)


def test_a_forged_type_cannot_pass_bytes_off_as_objects():
    # The state of dtype: version, order, ..., size, alignment, flags; 63 marks objects.
    forged = Reduced(np.dtype, ("i8", False, True), (3, "<", None, None, None, -1, -1, 63))
    with pytest.raises(FormatError, match="forged"):
        load(pickle.dumps(forged))
    sized = Reduced(np.dtype, ("S4", False, True), (3, "|", None, None, None, 4000, 1, 0))
    with pytest.raises(FormatError, match="forged"):
        load(pickle.dumps(sized))


def _array(shape, dtype, raw):
    call = np.zeros(1).__reduce__()
    return Reduced(call[0], call[1], (1, shape, np.dtype(dtype), False, raw))


@pytest.mark.parametrize(
    ("shape", "dtype", "raw"),
    [
        ((3,), "f8", b"short"),
        ((2**61, 8), "i1", b""),
        ((-1,), "i1", b""),
        ((2,), "O", b"12345678" * 2),
        ((2,), "O", [1]),
        ((2,), "i1", [1, 2]),
        (("a",), "i1", b""),
        (3, "i1", b"abc"),
    ],
)
def test_arrays_that_do_not_fit_their_data(shape, dtype, raw):
    with pytest.raises(FormatError):
        load(pickle.dumps(_array(shape, dtype, raw)))


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 2**60),  # bytes
        b"\x80\x04\x8d" + struct.pack("<Q", 2**60),  # text
        b"\x80\x05\x96" + struct.pack("<Q", 2**40),  # bytearray
        b"\x80\x04\x95" + struct.pack("<Q", 2**40),  # frame
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1),  # number
        b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b"j" + struct.pack("<I", 5) + b".",  # memo
    ],
)
def test_forged_lengths_allocate_nothing(code):
    asked = []

    class Recording(io.BytesIO):
        def read(self, n=-1):
            asked.append(n)
            return super().read(n)

    with pytest.raises(FormatError):
        safe_load(Recording(code))
    assert 0 <= min(asked) <= max(asked) <= len(code)


def test_the_message_names_the_file(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"garbage")
    with (tmp_path / "a.pkl").open("rb") as file, pytest.raises(FormatError, match=r"a\.pkl"):
        safe_load(file)
