"""What a search gives back."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Union

import numpy as np

if TYPE_CHECKING:
    from .model import Model


class TopK:
    """The best rows of each query, best first: by falling score, then by rising row.

    rows    int32 (M, k); -1 where fewer than k rows were let in
    scores  float32 (M, k); -inf there
    counts  int64 (M): how many of each query's k are results

    For one query that was given without a first dimension: (k,), (k,) and an int. Unpacks as
    `rows, scores, counts = result`.
    """

    __slots__ = ("rows", "scores", "counts", "_model", "_entity")

    def __init__(self, rows: np.ndarray, scores: np.ndarray, counts: Union[np.ndarray, int],
                 model: "Model", entity: str):
        self.rows, self.scores, self.counts = rows, scores, counts
        self._model, self._entity = model, entity

    def ids(self, missing: Any = None) -> np.ndarray:
        """Original ids, of the shape of rows: int64, or objects of str where ids are texts. Where
        there is no result: `missing`, by default -1 or None."""
        return self._model.ids_of(self.rows, self._entity, missing=missing)

    def __iter__(self) -> Iterator:
        return iter((self.rows, self.scores, self.counts))

    def __repr__(self) -> str:
        return f"TopK(rows={self.rows!r}, scores={self.scores!r}, counts={self.counts!r})"
