"""Product quantization of a float table, nested by tier.

The centroids that every tier may use are found on the rows of the last tier, then kept while those
that only the tier before may use are found on its rows, and so on: rare rows lose nothing to the
codebook being shared, frequent ones little.
"""
from __future__ import annotations

from typing import List, Sequence, Tuple

import torch

from .tables import Tier

_DISTANCES = 1 << 24  # held at a time


def _split(rows: torch.Tensor, subspaces: int) -> torch.Tensor:
    """(n, dim) to (D, n, w)."""
    return rows.reshape(rows.shape[0], subspaces, -1).transpose(0, 1).contiguous()


def nearest(points: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """int64 (D, n): the centroid of (D, K, w) that is nearest to each of the points (D, n, w)."""
    half_norms = 0.5 * centroids.square().sum(-1)[:, None, :]
    chunk = max(1, _DISTANCES // (centroids.shape[0] * centroids.shape[1]))
    found = [torch.baddbmm(half_norms, part, centroids.transpose(1, 2), alpha=-1).argmin(-1)
             for part in points.split(chunk, 1)]
    return torch.cat(found, 1)


def _squared_to(points: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """(D, n): squared distances to the nearest of the centroids."""
    index = nearest(points, centroids)[..., None].expand(-1, -1, points.shape[-1])
    return (points - centroids.gather(1, index)).square().sum(-1)


def _spread(points: torch.Tensor, kept: torch.Tensor, count: int,
            generator: torch.Generator) -> torch.Tensor:
    """`count` points of each subspace, far from each other and from those kept (k-means++)."""
    subspaces, n, _ = points.shape
    every = torch.arange(subspaces, device=points.device)
    weights = _squared_to(points, kept) if kept.shape[1] else points.new_ones((subspaces, n))
    chosen: List[torch.Tensor] = []
    for _ in range(count):
        total = weights.sum(1, keepdim=True)
        odds = torch.where(total > 0, weights, 1.0).cpu()
        drawn = torch.multinomial(odds, 1, generator=generator)
        point = points[every, drawn[:, 0].to(points.device)]
        distance = (points - point[:, None, :]).square().sum(-1)
        weights = distance if not chosen and not kept.shape[1] else torch.minimum(weights, distance)
        chosen.append(point)
    return torch.stack(chosen, 1)


def _extend(points: torch.Tensor, kept: torch.Tensor, count: int, iterations: int,
            generator: torch.Generator) -> torch.Tensor:
    """Centroids (D, K + count, w), the K kept ones first; the others are Lloyd's of the points."""
    centroids = torch.cat([kept, _spread(points, kept, count, generator)], 1)
    subspaces, total, width = centroids.shape
    first = torch.arange(subspaces, device=points.device)[:, None] * total
    for _ in range(iterations):
        owner = (nearest(points, centroids) + first).reshape(-1)
        sums = points.new_zeros((subspaces * total, width)).index_add_(
            0, owner, points.reshape(-1, width))
        sizes = torch.bincount(owner, minlength=subspaces * total)[:, None]
        means = torch.where(sizes > 0, sums / sizes.clamp_min(1), centroids.reshape(-1, width))
        centroids[:, kept.shape[1]:] = means.reshape(centroids.shape)[:, kept.shape[1]:]
    return centroids


def quantize(weight: torch.Tensor, tiers: Sequence[Tier], iterations: int, rows_per_centroid: int,
             seed: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """Codes u8 (rows, D) and a codebook f32 (K_1, dim) for a table (rows, dim) whose rows are in
    order of their tiers. A tier's centroids are found on a sample of its rows where it has more
    than `rows_per_centroid` for each."""
    subspaces = tiers[0].subspaces
    generator = torch.Generator().manual_seed(seed)
    begins = [0] + [tier.end for tier in tiers[:-1]]
    centroids = weight.new_empty((subspaces, 0, weight.shape[1] // subspaces))
    for begin, tier in reversed(list(zip(begins, tiers))):
        rows = weight[begin:tier.end] if tier.end > begin else weight
        count = tier.centroids - centroids.shape[1]
        if count == 0:
            continue
        sample = rows_per_centroid * tier.centroids
        if rows.shape[0] > sample:
            rows = rows[torch.randperm(rows.shape[0], generator=generator)[:sample].to(rows.device)]
        centroids = _extend(_split(rows, subspaces), centroids, count, iterations, generator)
    codes = torch.empty((weight.shape[0], subspaces), dtype=torch.uint8, device=weight.device)
    for begin, tier in zip(begins, tiers):
        for place in range(begin, tier.end, 1 << 16):
            part = slice(place, min(place + (1 << 16), tier.end))
            found = nearest(_split(weight[part], subspaces), centroids[:, :tier.centroids])
            codes[part] = found.T.to(torch.uint8)
    return codes, centroids.transpose(0, 1).reshape(tiers[0].centroids, -1).contiguous()
