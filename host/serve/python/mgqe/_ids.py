"""Original ids to rows and back."""
from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from . import _abi
from ._arrays import INT32, INT64, address, integers, is_text
from ._handle import Handle


def _text(one: Any) -> bytes:
    return one if isinstance(one, bytes) else str(one).encode("utf-8", "surrogateescape")


def rows_of(handle: Handle, entity: str, ids: Any) -> np.ndarray:
    """int32 rows of the shape of ids; -1 where one is unknown."""
    key = _abi.text(entity)
    if not is_text(ids):
        wanted = integers(ids, INT64, "ids")
        rows = np.empty(wanted.shape, INT32)
        with handle as pointer:
            _abi.check(_abi.lib.mgqe_rows_of(pointer, key, address(wanted), wanted.size,
                                             address(rows)))
        return rows
    texts = np.asarray(ids, dtype=object)
    rows = np.empty(texts.shape, INT32)
    row = ctypes.c_int32()
    with handle as pointer:
        for place, one in enumerate(texts.flat):
            text = _text(one)
            _abi.check(_abi.lib.mgqe_row_of_text(pointer, key, text, len(text), ctypes.byref(row)))
            rows.flat[place] = row.value
    return rows


def ids_of(handle: Handle, entity: str, rows: Any, missing: Any) -> np.ndarray:
    """Ids of the shape of rows, int64 or objects of str; `missing` where a row is -1."""
    key = _abi.text(entity)
    wanted = integers(rows, INT32, "rows")
    absent = wanted == -1
    with handle as pointer:
        if _abi.lib.mgqe_integer_ids(pointer, key) != 0:  # so too for an entity that is none
            known = wanted[~absent]
            found = np.empty(known.shape, INT64)
            _abi.check(_abi.lib.mgqe_ids_of(pointer, key, address(known), known.size,
                                            address(found)))
            ids = np.full(wanted.shape, -1 if missing is None else missing, INT64)
            ids[~absent] = found
            return ids
        ids = np.full(wanted.shape, missing, object)
        for place, row in enumerate(wanted.flat):
            if row != -1:
                ids.flat[place] = _text_of(pointer, key, int(row))
        return ids


def _text_of(pointer: int, key: bytes, row: int) -> str:
    length = ctypes.c_size_t()
    room = ctypes.create_string_buffer(64)
    while True:
        _abi.check(_abi.lib.mgqe_text_of(pointer, key, row, room, len(room), ctypes.byref(length)))
        if length.value <= len(room):
            return room.raw[:length.value].decode("utf-8", "surrogateescape")
        room = ctypes.create_string_buffer(length.value)
