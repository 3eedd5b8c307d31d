"""What callers give, as the arrays that mgqe.h takes; and what the file holds, as NumPy views."""
from __future__ import annotations

import ctypes
from typing import Any, Iterable, Optional, Tuple

import numpy as np

from . import _abi
from .errors import InvalidArgument

try:  # NumPy has no bfloat16 of its own
    import ml_dtypes as _ml_dtypes
    BFLOAT16 = np.dtype(_ml_dtypes.bfloat16)
except ImportError:
    BFLOAT16 = np.dtype(np.uint16)

INT32, INT64, FLOAT32 = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float32)

# Of look-ups: the ABI's type, and NumPy's.
ROW_DTYPES = {
    "float32": (_abi.F32, FLOAT32),
    "float16": (_abi.F16, np.dtype(np.float16)),
    "bfloat16": (_abi.BF16, BFLOAT16),
}
_FILE_DTYPES = {_abi.F32: "<f4", _abi.F16: "<f2", _abi.BF16: "<u2", _abi.U8: "|u1", _abi.I32: "<i4",
                _abi.I64: "<i8", _abi.I8: "|i1"}


def row_dtype(dtype: Any) -> Tuple[int, np.dtype]:
    """The ABI's number and NumPy's dtype of "float32", np.float16, ml_dtypes.bfloat16, ..."""
    known = ROW_DTYPES.get(dtype) if isinstance(dtype, str) else None
    if known is None:
        try:
            known = ROW_DTYPES.get(np.dtype(dtype).name)
        except TypeError:
            pass
    if known is None:
        raise InvalidArgument(f"rows are float32, float16 or bfloat16, not {dtype!r}")
    return known


def integers(values: Any, dtype: np.dtype, what: str) -> np.ndarray:
    """Contiguous integers of `dtype`, of any shape; TypeError for others, InvalidArgument for those
    that it cannot hold."""
    array = np.asarray(values)
    if array.dtype != dtype:
        if array.dtype.kind not in "iu":
            if array.size > 0:
                raise TypeError(f"{what} must be integers, not {array.dtype}")
        elif array.size > 0 and not np.can_cast(array.dtype, dtype):
            limits = np.iinfo(dtype)
            for value in (int(array.min()), int(array.max())):
                if not limits.min <= value <= limits.max:
                    raise InvalidArgument(f"{what}: {value} is beyond {dtype}")
        array = array.astype(dtype)
    return array if array.flags.c_contiguous else np.array(array, order="C")


def floats(values: Any, columns: int, what: str) -> np.ndarray:
    """Contiguous float32 of shape (columns,) or (M, columns)."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" and array.dtype != BFLOAT16:
        raise TypeError(f"{what} must be numbers, not {array.dtype}")
    if array.ndim not in (1, 2) or array.shape[-1] != columns:
        raise InvalidArgument(f"{what} of shape {array.shape} where ({columns},) or (M, {columns}) "
                              "belongs")
    return np.ascontiguousarray(array, FLOAT32)


def writable(out: Any, shape: Tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`out` as it may be written to, or a new array where it is None."""
    if out is None:
        return np.empty(shape, dtype)
    same_bits = isinstance(out, np.ndarray) and (
        out.dtype == dtype or (dtype == BFLOAT16 and out.dtype == np.uint16))
    if not same_bits or out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        said = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        raise InvalidArgument(f"out is {said} where a writable C-contiguous array of {dtype} "
                              f"{shape} belongs")
    return out


def is_text(ids: Any) -> bool:
    """Whether ids are texts: str, bytes, or a list or an array of them."""
    if isinstance(ids, (str, bytes)):
        return True
    array = ids if isinstance(ids, np.ndarray) else np.asarray(ids)
    return array.dtype.kind in "US" or (
        array.dtype.kind == "O" and all(isinstance(one, (str, bytes)) for one in array.flat))


def address(array: np.ndarray) -> int:
    """Of its first element, for as long as the array lives."""
    try:  # a third of the time that array.ctypes.data takes
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (BufferError, TypeError, ValueError):  # read-only, empty, or bfloat16
        return array.ctypes.data


class _FileArray:
    """What NumPy makes a read-only view of; as the view's base it keeps the model open."""

    def __init__(self, handle: Any, info: _abi.ArrayInfo, shape: Tuple[int, ...]):
        self.handle = handle
        self.__array_interface__ = {"version": 3, "data": (info.data, True), "shape": shape,
                                    "typestr": _FILE_DTYPES[info.dtype]}


def view(handle: Any, info: _abi.ArrayInfo) -> np.ndarray:
    """An array of the file where it lies."""
    shape = tuple(info.shape[:info.rank])
    if 0 in shape or not info.data:
        array = np.empty(shape, _FILE_DTYPES[info.dtype])
        array.flags.writeable = False
    else:
        array = np.asarray(_FileArray(handle, info, shape))
    return array.view(BFLOAT16) if info.dtype == _abi.BF16 else array


class Filters:
    """Row filters of one call, and the arrays they point to.

    A filter is None; rows, in any order; a boolean mask (rows of the table); or the mask packed to
    bits, bit r % 8 of byte r / 8, as bytes or another buffer that is no array.
    """

    def __init__(self, table_rows: int):
        self._table_rows = table_rows
        self._kept: list = []

    def one(self, given: Any, what: str) -> _abi.RowFilter:
        if given is None:
            return _abi.RowFilter()
        if isinstance(given, (bytes, bytearray, memoryview)):
            return self._bitmap(np.frombuffer(given, np.uint8), what)
        if isinstance(given, (set, frozenset, range)):
            given = list(given)
        array = np.asarray(given)
        if array.ndim != 1:
            raise InvalidArgument(f"{what} has shape {array.shape} where one dimension belongs")
        if array.dtype == np.bool_:
            if array.size != self._table_rows:
                raise InvalidArgument(f"{what} is a mask of {array.size} rows for a table of "
                                      f"{self._table_rows}")
            return self._bitmap(np.packbits(array, bitorder="little"), what)
        rows = integers(array, INT32, what)
        if rows.size > 1 and not (rows[1:] > rows[:-1]).all():
            rows = np.unique(rows)
        self._kept.append(rows)
        return _abi.RowFilter(sorted=address(rows), count=rows.size)

    def each(self, given: Optional[Iterable], queries: int) -> Any:
        """A filter for each query."""
        if given is None:
            return None
        filters = [self.one(each, f"block_each[{m}]") for m, each in enumerate(given)]
        if len(filters) != queries:
            raise InvalidArgument(f"block_each has {len(filters)} filters for {queries} queries")
        return (_abi.RowFilter * max(queries, 1))(*filters)

    def _bitmap(self, bits: np.ndarray, what: str) -> _abi.RowFilter:
        needed = (self._table_rows + 7) // 8
        if bits.size != needed:
            raise InvalidArgument(f"{what} is a bitmap of {bits.size} bytes, a table of "
                                  f"{self._table_rows} rows needs {needed}")
        self._kept.append(bits)
        return _abi.RowFilter(bitmap=address(bits), bitmap_bytes=bits.size)

