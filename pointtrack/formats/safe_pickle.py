"""Reading pickles of data without running code.

A pickle is a program that may call anything it can import. `safe_load` admits only what the
point-tracking data sets need: numbers, text, bytes, lists, tuples, dicts, sets, NumPy arrays
(of numbers, text, or objects that are themselves of these kinds) and NumPy scalars. Every
other global, class instance, extension or persistent object is refused before anything is
called.

Nothing of NumPy's own unpickling is trusted either: a forged dtype state can mark raw bytes
as object pointers. The functions below stand in for NumPy's and check what they are given,
so pickles of old and new NumPy (``numpy.core``, ``numpy._core``) read the same.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.formats.common import reading


class _Refused(FormatError):
    """What was asked for is not data."""


def safe_load(file: BinaryIO) -> Any:
    """Read one pickle (protocol 0 to 5) that holds only data.

    Parameters
    ----------
    file
        A seekable file open for reading bytes.

    Returns
    -------
    object
        Plain containers, numbers, text, bytes and NumPy arrays. Arrays may be read-only.

    Raises
    ------
    FormatError
        When the pickle asks for anything else, or is damaged.
    """
    name = str(getattr(file, "name", "the file"))
    with reading(name, "a pickle of plain data"):
        try:
            return _Unpickler(_Bounded(file)).load()
        except KeyError as problem:
            raise FormatError(f"it has the unknown instruction {problem}") from problem
        except EOFError as problem:
            raise FormatError("it ends too early") from problem


class _Bounded:
    """A file that refuses to read past its end, so a forged length allocates nothing."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        here = file.tell()
        self._left = file.seek(0, 2) - here
        file.seek(here)

    def read(self, n: int = -1) -> bytes:
        self._spend(max(n, 0))
        return self._file.read(n)

    def readline(self) -> bytes:
        line = self._file.readline()
        self._spend(len(line))
        return line

    def _spend(self, n: int) -> None:
        if n > self._left:
            raise EOFError
        self._left -= n


def _bytes(value: Any) -> bytes:
    # Protocols below 3 keep bytes as text in Latin-1.
    if isinstance(value, str):
        return value.encode("latin1")
    if not isinstance(value, (bytes, bytearray)):
        raise _Refused(f"it has {type(value).__name__} where bytes belong")
    return bytes(value)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1", "utf-8", "ascii"):
        raise _Refused("it encodes something that is not text")
    return text.encode(encoding)


def _bytes_object(*arguments: Any) -> bytes:
    if not arguments:
        return b""
    if isinstance(arguments[0], list):  # Python 2 and 3 spell old pickles differently
        return bytes(arguments[0])
    return _encode(*arguments) if isinstance(arguments[0], str) else _bytes(*arguments)


def _bytearray_object(*arguments: Any) -> bytearray:
    return bytearray(_bytes_object(*arguments))


def _set(items: Any = ()) -> set[Any]:
    return set(_sequence(items))


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_sequence(items))


def _dict(items: Any = ()) -> dict[Any, Any]:
    return dict(_sequence(items))


def _sequence(items: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(items, (list, tuple)):
        raise _Refused(f"it has {type(items).__name__} where a list belongs")
    return items


# -- NumPy ---------------------------------------------------------------------------------

# Stands for the class numpy.ndarray; it is only ever an argument, never called.
_NDARRAY = object()
_DTYPE = re.compile(r"[|<>=]?(\?|[biufc][0-9]{1,2}|[SU][0-9]{0,9}|O[48]?)")


def _dtype(text: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    if isinstance(text, bytes):
        text = text.decode("latin1")
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise _Refused(f"it has arrays of type {str(text)[:40]!r}, expected numbers or text")
    plain = "O" if "O" in text else text
    return np.dtype(plain, False, True)  # a copy: `_set_dtype` changes it in place


def _set_dtype(dtype: np.dtype[Any], state: Any) -> None:
    order: Any = state[1] if isinstance(state, tuple) and len(state) >= 2 else None
    order = order.decode("latin1") if isinstance(order, bytes) else order
    if order not in ("<", ">", "|", "="):
        raise _Refused("it has a malformed array type")
    honest: Any = dtype.newbyteorder(order).__reduce__()
    if tuple(state[2:8]) != honest[2][2:8] or any(extra is not None for extra in state[8:]):
        raise _Refused("it has a forged array type")
    target: Any = dtype
    target.__setstate__(honest[2])


def _reconstruct(kind: Any, shape: Any, code: Any) -> NDArray[Any]:
    if kind is not _NDARRAY or shape != (0,) or code not in (b"b", "b"):
        raise _Refused("it makes an array in an unknown way")
    return np.empty(0, np.int8)


def _set_array(array: NDArray[Any], state: Any) -> None:
    # Old pickles have no version in front.
    fields = state[1:] if isinstance(state, tuple) and len(state) == 5 else state
    if not isinstance(fields, tuple) or len(fields) != 4 or array.shape != (0,):
        raise _Refused("it has a malformed array")
    shape, dtype, fortran, raw = fields
    count = _count(shape, dtype)
    data: Any
    if dtype.hasobject:
        if not isinstance(raw, list) or len(raw) != count:
            raise _Refused(f"it has an array of {count} objects without them")
        data = raw
    else:
        data = _bytes(raw)
        if len(data) != count * dtype.itemsize:
            raise FormatError(
                f"it has an array of {count} {dtype} in {len(data)} bytes, "
                f"expected {count * dtype.itemsize}"
            )
    target: Any = array
    target.__setstate__((1, shape, dtype, bool(fortran), data))


def _count(shape: Any, dtype: Any) -> int:
    if not isinstance(shape, tuple) or len(shape) > 32 or not isinstance(dtype, np.dtype):
        raise _Refused("it has a malformed array")
    if not all(type(side) is int and 0 <= side < 2**62 for side in shape):
        raise _Refused(f"it has an array of shape {str(shape)[:60]}")
    count = math.prod(shape)
    if count and not dtype.itemsize:
        raise _Refused("it has an array of empty items")
    return count


def _frombuffer(buffer: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    count = _count(shape, dtype)
    if dtype.hasobject or not isinstance(buffer, (bytes, bytearray)) or order not in "CFK":
        raise _Refused("it has a malformed array")
    if count == 0:
        return np.empty(shape, dtype)
    if len(buffer) != count * dtype.itemsize:
        raise FormatError(f"it has an array of {count} {dtype} in {len(buffer)} bytes")
    array = np.frombuffer(buffer, dtype)
    if order == "K" and axes is not None:
        return array.reshape(shape).transpose(tuple(axes))
    return array.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: Any, raw: Any) -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise _Refused("it has a malformed number")
    data = _bytes(raw)
    if len(data) != dtype.itemsize or not data:
        raise FormatError(f"it has a {dtype} of {len(data)} bytes")
    return np.frombuffer(data, dtype)[0]


_GLOBALS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _dict,
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _NDARRAY,
}
for _module in ("builtins", "__builtin__"):
    _GLOBALS[_module, "bytes"] = _bytes_object
    _GLOBALS[_module, "bytearray"] = _bytearray_object
    _GLOBALS[_module, "set"] = _set
    _GLOBALS[_module, "frozenset"] = _frozenset
for _module in ("numpy.core", "numpy._core"):
    _GLOBALS[f"{_module}.multiarray", "_reconstruct"] = _reconstruct
    _GLOBALS[f"{_module}.multiarray", "scalar"] = _scalar
    _GLOBALS[f"{_module}.numeric", "_frombuffer"] = _frombuffer


# The pure-Python unpickler: its instructions can be taken away and replaced one by one, and
# its memo is a dict, where the C one allocates whatever a forged index asks for.
_Base: Any = pickle._Unpickler


class _Unpickler(_Base):
    def __init__(self, file: _Bounded) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _GLOBALS[module, name]
        except KeyError:
            raise _Refused(
                f"it asks for {module}.{name}, which could run code; nothing was run"
            ) from None

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is np.ndarray:
            _set_array(target, state)
        elif isinstance(target, np.dtype):
            _set_dtype(target, state)
        else:
            raise _Refused(f"it sets the state of a {type(target).__name__}")

    def load_bytearray8(self) -> None:
        length = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(length)))

    def load_refused(self) -> None:
        raise _Refused("it holds objects other than plain data; nothing was run")


def _instructions() -> dict[int, Callable[[Any], None]]:
    table = dict(_Base.dispatch)
    for code in (
        pickle.PERSID,
        pickle.BINPERSID,
        pickle.INST,
        pickle.OBJ,
        pickle.NEWOBJ,
        pickle.NEWOBJ_EX,
        pickle.EXT1,
        pickle.EXT2,
        pickle.EXT4,
        pickle.NEXT_BUFFER,
        pickle.READONLY_BUFFER,
    ):
        table[code[0]] = _Unpickler.load_refused
    table[pickle.BUILD[0]] = _Unpickler.load_build
    table[pickle.BYTEARRAY8[0]] = _Unpickler.load_bytearray8
    return table


_Unpickler.dispatch = _instructions()
