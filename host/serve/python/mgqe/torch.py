"""QuantizedEmbedding: a packed table as an embedding layer of PyTorch.

    from mgqe.torch import QuantizedEmbedding
    items = QuantizedEmbedding.from_pretrained("model.safetensors", "item")
    items(torch.tensor([[3, 1], [4, 1]]))              # (2, 2, dim)

It holds plain tensors, so that state_dict, .to(), copies and DDP treat it as any layer. Rows are
decoded by plain ATen ops, which torch.compile fuses, and torch.export and ONNX take with them.
Where the codebook is trained in eager mode they are one op, mgqe::decode_rows, so that backward
keeps the ids alone, rather than an index a code.
"""
from __future__ import annotations

import math
import os
from typing import Any, List, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ._kmeans import quantize
from .errors import InvalidArgument
from .model import Model, open
from .tables import Tier

if not hasattr(torch.library, "register_autograd"):
    raise ImportError(f"mgqe.torch needs PyTorch 2.4 or newer, this is {torch.__version__}")

__all__ = ["QuantizedEmbedding", "decode_rows"]

_MAX_CENTROIDS, _MAX_TIERS, _MAX_STAGES = 256, 8, 8

# ---- the arithmetic ----------------------------------------------------------------------------
# A row of tier t is D_t codes; they lie in `codes` at first_code[t] + id * D_t. Code j stands for
# columns [j w, (j + 1) w), w = dim / D_t, of row first_centroid[t] + code of the codebook. Where
# tiers differ in D_t, a code is taken apart into pieces of the width that all of them share.
#
# In stages (scheme "prq") dim and D_t are S times as many here, and the parts of a row are added.
#
# tiers: int64 (T, 3) of first_code, first_centroid, D_t


def _pieces_of(ids: Tensor, codes: Tensor, tier_ends: Tensor, tiers: Tensor, pieces: int,
               same_subspaces: bool, shared: bool) -> Tensor:
    """int64 (N, pieces): rows of the codebook cut to (K * pieces, dim / pieces)."""
    flat = ids.reshape(-1)
    place = torch.arange(pieces, device=ids.device)
    columns = None
    if not (same_subspaces and shared):
        tier = torch.bucketize(flat, tier_ends, right=True)
        columns = tiers.index_select(0, tier).T[..., None]  # (3, N, 1)
    if same_subspaces:
        code = codes.reshape(-1, pieces).index_select(0, flat).long()
    else:
        at = columns[0] + flat.long()[:, None] * columns[2] + place * columns[2] // pieces
        code = codes.index_select(0, at.reshape(-1)).reshape(at.shape).long()
    if not shared:
        code = code + columns[1]
    return code * pieces + place


def _decode(ids: Tensor, codes: Tensor, codebook: Tensor, tier_ends: Tensor, tiers: Tensor,
            pieces: int, same_subspaces: bool, shared: bool) -> Tensor:
    index = _pieces_of(ids, codes, tier_ends, tiers, pieces, same_subspaces, shared)
    rows = functional.embedding(index, codebook.reshape(codebook.shape[0] * pieces, -1))
    return rows.reshape(ids.shape + codebook.shape[1:])


# By define() and impl(): custom_op() would import the whole compiler at the first call.
_OP = "mgqe::decode_rows"
torch.library.define(_OP, "(Tensor ids, Tensor codes, Tensor codebook, Tensor tier_ends, "
                     "Tensor tiers, int pieces, bool same_subspaces, bool shared) -> Tensor",
                     tags=torch.Tag.pt2_compliant_tag)
torch.library.impl(_OP, "CompositeExplicitAutograd", _decode)
decode_rows = torch.ops.mgqe.decode_rows.default


@torch.library.register_fake(_OP)
def _(ids, codes, codebook, tier_ends, tiers, pieces, same_subspaces, shared):
    return codebook.new_empty(ids.shape + codebook.shape[1:])


def _keep(ctx, inputs, output) -> None:
    ids, codes, codebook, tier_ends, tiers, *ctx.form = inputs
    ctx.save_for_backward(ids, codes, tier_ends, tiers)
    ctx.centroids = codebook.shape[0]


def _codebook_gradient(ctx, gradient: Tensor):
    ids, codes, tier_ends, tiers = ctx.saved_tensors
    pieces = ctx.form[0]
    index = _pieces_of(ids, codes, tier_ends, tiers, *ctx.form)
    width = gradient.shape[-1] // pieces
    sums = torch.ops.aten.embedding_dense_backward(
        gradient.reshape(index.shape + (width,)), index, ctx.centroids * pieces, -1, False)
    return (None, None, sums.reshape(ctx.centroids, -1)) + (None,) * 5


torch.library.register_autograd(_OP, _codebook_gradient, setup_context=_keep)


# ---- the layer ---------------------------------------------------------------------------------


class QuantizedEmbedding(nn.Module):
    """Rows that are codes into a codebook, decoded when they are asked for.

    codes      u8 buffer (sum of rows_t * D_t): one byte a code, tier after tier. Unpacked: what the
               file has in 6 bits takes 8 here, and is read with no shifting
    codebook   parameter (K_1, dim), which tiers share, tier t using the first K_t; or (sum of K_t,
               dim), where each has its own. Its dtype is that of the output
    tier_ends  int64 buffer (T): the first id after each tier
    rotation   buffer (dim, dim), where `rotated`: rows are what codes stand for, times it

    With `stages` a row has as many times D_t codes, the codebook as many times dim columns, one
    stage beside the other, and a row is their sum.

    Codes stay as they are; the codebook is trained where `freeze` is false. Tell DDP to leave
    buffers alone (forward_sync_buffers=False, before PyTorch 2.15 broadcast_buffers=False), or it
    sends the codes with every forward pass.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int,
                 tiers: Sequence[Tuple[int, int, int]], *, shared: bool = True,
                 padding_idx: Optional[int] = None, freeze: bool = True,
                 stages: int = 1, rotated: bool = False, device: Any = None, dtype: Any = None):
        """A table for load_state_dict() to fill. tiers: (end, centroids, subspaces) each."""
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.tiers = tuple(Tier(*map(int, tier)) for tier in tiers)
        self.shared = bool(shared)
        self.padding_idx = _padding(padding_idx, num_embeddings)
        _check_tiers(self.tiers, num_embeddings, embedding_dim, self.shared)
        if not 1 <= stages <= _MAX_STAGES:
            raise InvalidArgument(f"{stages} stages where 1 to {_MAX_STAGES} belong")
        self.stages = stages
        rows = np.diff([0, *(tier.end for tier in self.tiers)])
        subspaces = np.array([tier.subspaces * stages for tier in self.tiers])
        centroids = np.array([tier.centroids for tier in self.tiers])
        self._pieces = math.lcm(*subspaces.tolist())
        self._same_subspaces = bool((subspaces == subspaces[0]).all())
        # From the first code of a tier, as if it began at id 0.
        first_code = np.cumsum([0, *(rows * subspaces)[:-1]]) - (np.cumsum(rows) - rows) * subspaces
        first_centroid = np.zeros_like(rows) if shared else np.cumsum([0, *centroids[:-1]])
        count = centroids[0] if shared else centroids.sum()

        self.register_buffer("codes", torch.zeros(int((rows * subspaces).sum()), dtype=torch.uint8,
                                                  device=device))
        self.register_buffer("tier_ends", torch.tensor([tier.end for tier in self.tiers],
                                                       dtype=torch.int64, device=device))
        table = np.stack([first_code, first_centroid, subspaces], 1).astype(np.int64)
        self.register_buffer("_tiers", torch.from_numpy(table).to(device), persistent=False)
        self.codebook = nn.Parameter(torch.zeros((int(count), stages * embedding_dim),
                                                 device=device, dtype=dtype),
                                     requires_grad=not freeze)
        self.register_buffer("rotation", torch.eye(embedding_dim, device=device, dtype=dtype)
                             if rotated else None)

    @classmethod
    def from_pretrained(cls, source: Union[str, os.PathLike, Model], table: str = "item", *,
                        freeze: bool = True,
                        padding_idx: Optional[int] = None) -> "QuantizedEmbedding":
        """A table of an artifact (a path or an open Model) whose scheme has codes."""
        if not isinstance(source, Model):
            with open(source) as model:
                return cls.from_pretrained(model, table, freeze=freeze, padding_idx=padding_idx)
        if table not in source.tables:
            source._table(table)  # raises, and lists those there are
        stored = source.tables[table]
        if not stored.tiers:
            raise InvalidArgument(f"table {table} is {stored.scheme}, which has no codes")
        arrays = stored.arrays
        shared = "codebook" in arrays
        names = ["codebook"] if shared else [f"codebook.{t}" for t in range(len(stored.tiers))]
        layer = cls(stored.rows, stored.dim, stored.tiers, shared=shared, padding_idx=padding_idx,
                    freeze=freeze, stages=stored.stages, rotated=stored.rotated)
        codes = [_unpacked(arrays[f"codes.{t}"], tier, stored.stages)
                 for t, tier in enumerate(stored.tiers)]
        with torch.no_grad():
            layer.codes.copy_(torch.from_numpy(np.concatenate(codes)))
            layer.codebook.copy_(torch.from_numpy(np.concatenate([arrays[name] for name in names])
                                                 .astype(np.float32)))
            if stored.rotated:
                layer.rotation.copy_(torch.from_numpy(arrays["rotation"].copy()))
        return layer

    @classmethod
    def from_float(cls, weight: Tensor, *, subspaces: int,
                   centroids: Union[int, Sequence[int]] = 256,
                   tiers: Sequence[Union[int, float]] = (), iterations: int = 20,
                   rows_per_centroid: int = 256, seed: int = 0, freeze: bool = True,
                   padding_idx: Optional[int] = None) -> "QuantizedEmbedding":
        """Quantizes a float table (rows, dim), e.g. the weight of an nn.Embedding.

        subspaces  D, which divides dim
        centroids  K of each tier, most popular rows first; not rising, 1 to 256
        tiers      where tiers but the last end: rows, or fractions of them below 1. Rows must be in
                   falling order of popularity where there is more than one tier
        rows_per_centroid  the sample of a tier that its centroids are found on: k-means, seeded
        """
        weight = weight.detach().float()
        if weight.ndim != 2 or 0 in weight.shape:
            raise InvalidArgument(f"weight has shape {tuple(weight.shape)} where (rows, dim) "
                                  "belongs")
        if not torch.isfinite(weight).all():
            raise InvalidArgument("weight has values that are not finite")
        rows, dim = weight.shape
        ends = [round(rows * end) if isinstance(end, float) and end < 1 else int(end)
                for end in tiers] + [rows]
        counts = [centroids] if isinstance(centroids, int) else list(centroids)
        if len(counts) != len(ends):
            raise InvalidArgument(f"{len(counts)} numbers of centroids for {len(ends)} tiers")
        form = [Tier(end, count, subspaces) for end, count in zip(ends, counts)]
        layer = cls(rows, dim, form, padding_idx=padding_idx, freeze=freeze, device=weight.device)
        codes, codebook = quantize(weight, form, iterations, rows_per_centroid, seed)
        with torch.no_grad():
            layer.codes.copy_(codes.reshape(-1))
            layer.codebook.copy_(codebook)
        return layer

    def forward(self, ids: Tensor) -> Tensor:
        """ids int32 or int64 of any shape: (*shape, dim). IndexError where one is no row (on a GPU
        its assertion, as of nn.Embedding). Ids of padding_idx give zeros, and no gradient."""
        arguments = (ids, self.codes, self.codebook, self.tier_ends, self._tiers, self._pieces,
                     self._same_subspaces, self.shared)
        if torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export():  # export too
            rows = _decode(*arguments)
        else:
            if ids.dtype not in (torch.int32, torch.int64):
                raise TypeError(f"ids must be int32 or int64, not {ids.dtype}")
            trained = self.codebook.requires_grad and torch.is_grad_enabled()
            try:
                rows = (decode_rows if trained else _decode)(*arguments)
            except (IndexError, RuntimeError):  # which of both depends on the version and the op
                if ids.min() >= 0 and ids.max() < self.num_embeddings:
                    raise
                raise IndexError(f"ids go from {ids.min()} to {ids.max()} in a table of "
                                 f"{self.num_embeddings} rows") from None
        if self.stages > 1:
            rows = rows.unflatten(-1, (self.stages, self.embedding_dim)).sum(-2)
        if self.rotation is not None:
            rows = rows @ self.rotation
        if self.padding_idx is not None:
            rows = rows.masked_fill((ids == self.padding_idx)[..., None], 0)
        return rows

    @property
    def weight(self) -> Tensor:
        """The whole table (rows, dim), decoded now; it is not kept."""
        return self(torch.arange(self.num_embeddings, device=self.codes.device))

    def extra_repr(self) -> str:
        said = ", ".join(f"{t.end}: D={t.subspaces} K={t.centroids}" for t in self.tiers)
        stages = "" if self.stages == 1 else f", stages={self.stages}"
        rotated = "" if self.rotation is None else ", rotated=True"
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return (f"{self.num_embeddings}, {self.embedding_dim}, tiers=[{said}]{stages}{rotated}"
                f"{padding}")

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys,
                              unexpected_keys, error_msgs: List[str]) -> None:
        ends = state_dict.get(prefix + "tier_ends")
        mine = [tier.end for tier in self.tiers]
        if ends is not None and ends.tolist() != mine:
            error_msgs.append(f"{prefix}tier_ends are {ends.tolist()} where the layer has {mine}")
            return
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys,
                                      unexpected_keys, error_msgs)


def _padding(padding_idx: Optional[int], rows: int) -> Optional[int]:
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise InvalidArgument(f"padding_idx {padding_idx} is no row of {rows}")
    return padding_idx % rows


def _check_tiers(tiers: Sequence[Tier], rows: int, dim: int, shared: bool) -> None:
    if not 1 <= len(tiers) <= _MAX_TIERS:
        raise InvalidArgument(f"{len(tiers)} tiers where 1 to {_MAX_TIERS} belong")
    before = Tier(0, _MAX_CENTROIDS, tiers[0].subspaces)
    for number, tier in enumerate(tiers):
        if tier.subspaces < 1 or dim % tier.subspaces:
            raise InvalidArgument(f"{tier.subspaces} subspaces do not divide dimension {dim}")
        most = before.centroids if shared else _MAX_CENTROIDS
        if not 1 <= tier.centroids <= most:
            raise InvalidArgument(f"tier {number} has {tier.centroids} centroids where 1 to {most} "
                                  "belong")
        if shared and tier.subspaces != before.subspaces:
            raise InvalidArgument("tiers that share a codebook have the same subspaces")
        if tier.end < before.end:
            raise InvalidArgument(f"tier {number} ends at row {tier.end}, before it begins")
        before = tier
    if before.end != rows:
        raise InvalidArgument(f"tiers end at row {before.end} of {rows}")


def _unpacked(packed: np.ndarray, tier: Tier, stages: int) -> np.ndarray:
    """u8 (rows * S D) of packed codes u8 (rows, bytes): code j is bits [j b, (j + 1) b) of a row."""
    bits = (tier.centroids - 1).bit_length()
    codes = np.zeros((packed.shape[0], stages * tier.subspaces), np.uint8)
    for j in range(codes.shape[1] if bits else 0):
        byte, shift = divmod(j * bits, 8)
        value = packed[:, byte] >> shift
        if shift + bits > 8:
            value = value | packed[:, byte + 1] << (8 - shift)  # u8: what is beyond falls off
        codes[:, j] = value & ((1 << bits) - 1)
    if codes.size and codes.max() >= tier.centroids:
        raise InvalidArgument(f"code {codes.max()} where codes are below {tier.centroids}")
    return codes.reshape(-1)
