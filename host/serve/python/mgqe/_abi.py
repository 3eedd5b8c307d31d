"""mgqe.h in ctypes: structs, prototypes, and the shared library itself.

The library is looked for in $MGQE_LIBRARY, beside this package (where a wheel has it), and by the
system's loader. ctypes lets go of the GIL during every call.
"""
from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path

from .errors import BY_STATUS, InternalError, InvalidArgument

ABI_VERSION = 1  # of mgqe.h as written down here
MAX_TIERS, MAX_K = 8, 10_000
F32, F16, BF16, U8, I32, I64, I8 = range(7)  # mgqe_dtype
LIKENESS = {"model": 0, "cosine": 1, "dot": 2}


class Sized(ctypes.Structure):
    """A struct that begins with its size, as the _INIT macros make it."""

    def __init__(self, **members):
        super().__init__(size=ctypes.sizeof(self), **members)


class OpenOptions(Sized):
    _fields_ = [("size", c_size_t), ("read", c_int32), ("verify", c_int32), ("prepare", c_int32),
                ("threads", c_int32)]


class TableInfo(Sized):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("entity", c_char_p), ("scheme", c_char_p),
                ("rows", c_int64), ("dim", c_int64), ("payload_bytes", c_int64), ("tiers", c_int32),
                ("stages", c_int32), ("rotated", c_int32)]


class ArrayInfo(Sized):
    _fields_ = [("size", c_size_t), ("data", c_void_p), ("dtype", c_int32), ("rank", c_int32),
                ("shape", c_int64 * 2)]


class RowFilter(ctypes.Structure):
    _fields_ = [("sorted", c_void_p), ("count", c_int64), ("bitmap", c_void_p),
                ("bitmap_bytes", c_int64)]


class TopKOptions(Sized):
    _fields_ = [("size", c_size_t), ("k", c_int64), ("threads", c_int32), ("allow", RowFilter),
                ("block", RowFilter), ("block_each", POINTER(RowFilter)), ("shortlist", c_int64)]


class Result(ctypes.Structure):
    _fields_ = [("rows", c_void_p), ("scores", c_void_p), ("counts", c_void_p)]


class Questions(Sized):
    _fields_ = [("size", c_size_t), ("count", c_int64), ("users", c_void_p), ("history", c_void_p),
                ("offsets", c_void_p)]


# Arrays are passed as addresses, which is what c_void_p takes an int for.
_STATUS = c_int32
_MODEL, _ARRAY = c_void_p, c_void_p
_PROTOTYPES = {
    "mgqe_abi_version": (c_int32, []),
    "mgqe_version": (c_char_p, []),
    "mgqe_last_error": (c_char_p, []),
    "mgqe_open": (_STATUS, [c_char_p, POINTER(OpenOptions), POINTER(c_void_p)]),
    "mgqe_close": (None, [_MODEL]),
    "mgqe_verify": (_STATUS, [_MODEL]),
    "mgqe_prepare": (_STATUS, [_MODEL, c_int32]),
    "mgqe_metadata": (c_char_p, [_MODEL, c_char_p]),
    "mgqe_max_length": (c_int64, [_MODEL]),
    "mgqe_table_count": (c_int64, [_MODEL]),
    "mgqe_table_at": (_STATUS, [_MODEL, c_int64, POINTER(TableInfo)]),
    "mgqe_table": (_STATUS, [_MODEL, c_char_p, POINTER(TableInfo)]),
    "mgqe_tiers": (_STATUS, [_MODEL, c_char_p, _ARRAY, _ARRAY, _ARRAY]),
    "mgqe_array": (_STATUS, [_MODEL, c_char_p, POINTER(ArrayInfo)]),
    "mgqe_integer_ids": (c_int32, [_MODEL, c_char_p]),
    "mgqe_rows_of": (_STATUS, [_MODEL, c_char_p, _ARRAY, c_int64, _ARRAY]),
    "mgqe_row_of_text": (_STATUS, [_MODEL, c_char_p, c_char_p, c_size_t, POINTER(c_int32)]),
    "mgqe_ids_of": (_STATUS, [_MODEL, c_char_p, _ARRAY, c_int64, _ARRAY]),
    "mgqe_text_of": (_STATUS, [_MODEL, c_char_p, c_int64, c_void_p, c_size_t, POINTER(c_size_t)]),
    "mgqe_look_up": (_STATUS, [_MODEL, c_char_p, _ARRAY, c_int64, c_int32, _ARRAY, c_int64,
                               c_int32]),
    "mgqe_top_k": (_STATUS, [_MODEL, c_char_p, _ARRAY, c_int64, POINTER(TopKOptions),
                             POINTER(Result)]),
    "mgqe_scores": (_STATUS, [_MODEL, c_char_p, _ARRAY, _ARRAY, c_int64, _ARRAY]),
    "mgqe_recommend": (_STATUS, [_MODEL, POINTER(Questions), POINTER(TopKOptions),
                                 POINTER(Result)]),
    "mgqe_vectors": (_STATUS, [_MODEL, POINTER(Questions), _ARRAY]),
    "mgqe_similar": (_STATUS, [_MODEL, _ARRAY, c_int64, c_int32, POINTER(TopKOptions),
                               POINTER(Result)]),
}


def _candidates() -> list:
    chosen = os.environ.get("MGQE_LIBRARY")
    if chosen:  # what somebody asked for is not silently another one
        return [chosen]
    beside = sorted(str(path) for path in Path(__file__).parent.glob("libmgqe_serve.*"))
    found = ctypes.util.find_library("mgqe_serve")
    return beside + ([found] if found else [])


def _load() -> ctypes.CDLL:
    candidates = _candidates()
    if not candidates:
        raise ImportError("libmgqe_serve is neither beside the package nor known to the loader: "
                          "set MGQE_LIBRARY to its path, or install the wheel")
    reasons = []
    for name in candidates:
        try:
            library = ctypes.CDLL(name)
            for function, (result, arguments) in _PROTOTYPES.items():
                prototype = getattr(library, function)
                prototype.restype, prototype.argtypes = result, arguments
        except (OSError, AttributeError) as error:
            reasons.append(f"{name}: {error}")
            continue
        version = library.mgqe_abi_version()
        if version >= ABI_VERSION:
            return library
        reasons.append(f"{name}: its ABI is version {version}, this package needs {ABI_VERSION}")
    raise ImportError("libmgqe_serve cannot be used: " + "; ".join(reasons))


lib = _load()


def text(name: str) -> bytes:
    """A name as the library takes it, which would stop reading at a zero."""
    if "\0" in name:
        raise InvalidArgument(f"a name with a zero in it: {name!r}")
    return os.fsencode(name)


def last_error() -> str:
    return lib.mgqe_last_error().decode("utf-8", "replace")


def check(status: int) -> None:
    """Raises what a status other than MGQE_OK stands for."""
    if status:
        raise BY_STATUS.get(status, InternalError)(last_error())
