"""Who is asked about: users, or histories, as mgqe_questions has them."""
from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional, Tuple

import numpy as np

from . import _abi
from ._arrays import INT32, INT64, address, integers
from .errors import InvalidArgument

# Of ("user" or "item", ids or rows): int32 rows of the same shape; -1 where one is unknown and may
# be.
ToRows = Callable[[str, Any], np.ndarray]


class Asked(NamedTuple):
    struct: _abi.Questions
    count: int
    single: bool  # one question, given without a dimension of questions
    kept: tuple   # what the struct points to


def questions(users: Any, histories: Any, offsets: Any, to_rows: ToRows) -> Asked:
    """users: an int or (M); histories: one list, M lists, or all of them one after the other with
    offsets (M + 1). Items of row -1, unknown, are left out of histories."""
    if (users is None) == (histories is None):
        raise InvalidArgument("give users or histories, one of both")
    if users is not None:
        rows = to_rows("user", users)
        if rows.ndim > 1:
            raise InvalidArgument(f"users have shape {rows.shape} where (M,) belongs")
        struct = _abi.Questions(count=rows.size, users=address(rows))
        return Asked(struct, rows.size, rows.ndim == 0, (rows,))
    flat, ends, single = _joined(histories, offsets)
    items = to_rows("item", flat)
    if items.ndim != 1:
        raise InvalidArgument(f"histories have shape {items.shape} where one dimension belongs")
    if ends[0] != 0 or ends[-1] != items.size or (ends[1:] < ends[:-1]).any():
        raise InvalidArgument(f"offsets of histories must ascend from 0 to {items.size}")
    known = items != -1
    if not known.all():
        ends = np.concatenate(([0], np.cumsum(known)))[ends].astype(INT64)
        items = items[known]
    struct = _abi.Questions(count=ends.size - 1, history=address(items), offsets=address(ends))
    return Asked(struct, ends.size - 1, single, (items, ends))


def _is_one(histories: Any) -> bool:
    """Whether it is the items of one history, rather than a list of histories."""
    if isinstance(histories, np.ndarray):
        return histories.ndim == 1 and histories.dtype != object
    return len(histories) > 0 and (isinstance(histories[0], (str, bytes)) or
                                   np.ndim(histories[0]) == 0)


def _joined(histories: Any, offsets: Optional[Any]) -> Tuple[Any, np.ndarray, bool]:
    """All items one after the other, offsets (M + 1), and whether one history was given alone."""
    if offsets is not None:
        ends = integers(offsets, INT64, "offsets")
        if ends.ndim != 1 or ends.size == 0:
            raise InvalidArgument("offsets of M histories are M + 1 numbers")
        return histories, ends, False
    if _is_one(histories):
        return histories, np.array([0, len(histories)], INT64), True
    each = [np.asarray(one) for one in histories]
    each = [one.astype(INT32) if one.size == 0 else one for one in each]
    ends = np.concatenate(([0], np.cumsum([one.size for one in each]))).astype(INT64)
    filled = [one for one in each if one.size]
    return np.concatenate(filled) if filled else np.empty(0, INT32), ends, False
