"""Embedding tables of the golden trajectories, in autograd's words.

Shapes: n rows, m look-ups, d dimensions, r the rank of a low-rank table, D subspaces of width
w = d / D, K centroids. A table maps ids (m) to rows (m, d) and a loss of its own:
  full:      e = table[id];
  low_rank:  e = factor[id] basis, factor (n, r), basis (r, d);
  hashed:    e = table[splitmix64's finaliser of id mod buckets];
  mgqe:      code_j = argmin_{k < K_i} ||e_j - c_jk||^2, lowest index on ties, i the tier of the id;
             the output is the chosen centroids, gradient straight through to the query row e.
             Loss: weight * mean (c - sg(e))^2 + commitment weight * mean (sg(c) - e)^2, both over
             all look-ups of the batch and d. Variant shared_k has one codebook, of which tier i
             uses the first K_i centroids; private_k a codebook of K_i centroids a tier; private_d
             a codebook of K centroids and D_i subspaces a tier;
  lsq:       e_c = s_c q, q the whole number next to table[id]_c / s_c and within -2^(b-1) to
             2^(b-1) - 1, s_c = exp(log_step_c); rounding has the gradient 1, clipping its own;
  quotient_remainder:  e = quotients[id div m] * remainders[id mod m];
  memcom:    e = factors[id] table[id mod m];
  mixed_dim: of an id of tier i, e = table.i[its number in the tier] projection.i, the latter of
             (w_i, d), and missing where w_i = d;
  dpq_sx:    p_j = softmax_k(e_j . key_jk), code_j = argmax_k of the same, lowest index on ties;
             w_j = p_j - sg(p_j - onehot(code_j)), and the output of subspace j is w_j values_j. With
             distance_bn tf, (e_j . key_jk - mean_k) / sqrt(variance_k + 1e-3) takes the place of
             e_j . key_jk, mean and variance over look-ups and subspaces (autograd goes through
             both); final codes are by running moments, which are 0 and 1 and go a hundredth of the
             way to those of each batch. All of it is over temperature.
codebook_type f16: codebooks of mgqe and values of dpq_sx are c + sg(round(c) - c) wherever they are
used, round to binary16, ties to even.
"""

import collections
import math

import torch
import torch.nn.functional as F

Tier = collections.namedtuple("Tier", "begin end codebook centroids subspaces")


class Table(torch.nn.Module):
    """What all tables have. `per_row` is the parameter with a row an id, which SparseAdam updates
    where config says so; `margin` the least distance met so far between a query and a boundary
    at which its code changes, `rounding_margin` between a centroid and one at which it rounds to
    another value."""

    def __init__(self, name, rows, config, initial):
        super().__init__()
        self.name, self.rows, self.config = name, rows, config
        self.sparse = config["optimizer"] == "sparse_adam"
        self.margin = self.rounding_margin = math.inf
        self.arrays = {key: torch.nn.Parameter(initial[f"{name}.{key}"].clone())
                       for key in self.shapes(rows, config)}
        self.per_row = next(iter(self.arrays.values()))

    @staticmethod
    def shapes(rows, config):
        """Shapes of the arrays by name, the one with a row an id first."""
        raise NotImplementedError

    @staticmethod
    def offset(key):
        """What is added to the numbers drawn for an array."""
        return 0.0

    def per_row_arrays(self):
        """Parameters of which a batch touches rows."""
        return [self.per_row]

    def dense(self):
        """Parameters that every step updates as a whole."""
        per_row = self.per_row_arrays()
        return [each for each in self.arrays.values() if all(each is not other for other in per_row)]

    def values(self):
        return {f"{self.name}.{key}": value for key, value in self.arrays.items()}

    def gather(self, ids, array=None):
        return F.embedding(ids, self.per_row if array is None else array, sparse=self.sparse)

    def served(self, codebook):
        """As config says that centroids are served."""
        if self.config.get("codebook_type", "f32") == "f32":
            return codebook
        with torch.no_grad():
            half = codebook.to(torch.float16)
            value = half.to(codebook.dtype)
            for beside in (math.inf, -math.inf):
                neighbour = torch.nextafter(half, torch.full_like(half, beside)).to(value.dtype)
                midway = 0.5 * (value + neighbour)
                self.rounding_margin = min(self.rounding_margin,
                                           float((codebook - midway).abs().min()))
        return codebook + (value - codebook).detach()

    def codes(self):
        """Codes of all rows, row by row; None where nothing is quantized."""
        return None


class FullTable(Table):
    @staticmethod
    def shapes(rows, config):
        return {"table": (rows, config["dim"])}

    def forward(self, ids):
        return self.gather(ids), 0.0


class LowRankTable(Table):
    @staticmethod
    def shapes(rows, config):
        return {"factor": (rows, config["rank"]), "basis": (config["rank"], config["dim"])}

    def forward(self, ids):
        return self.gather(ids) @ self.arrays["basis"], 0.0


class HashedTable(Table):
    @staticmethod
    def shapes(rows, config):
        return {"table": (config["buckets"], config["dim"])}

    def forward(self, ids):
        buckets = [splitmix64(int(each)) % self.config["buckets"] for each in ids]
        return self.gather(torch.tensor(buckets)), 0.0


class LsqTable(Table):
    @staticmethod
    def shapes(rows, config):
        return {"table": (rows, config["dim"]), "log_steps": (config["dim"],)}

    @staticmethod
    def offset(key):
        return math.log(0.1) if key == "log_steps" else 0.0

    def forward(self, ids):
        least, most = -2 ** (self.config["bits"] - 1), 2 ** (self.config["bits"] - 1) - 1
        step = self.arrays["log_steps"].exp()
        position = self.gather(ids) / step
        clipped = position.clamp(least, most)
        with torch.no_grad():
            level = torch.floor(clipped + 0.5)
            ends = torch.minimum((position - least).abs(), (position - most).abs())
            nearest = torch.minimum((clipped - level + 0.5).abs(), (clipped - level - 0.5).abs())
            self.margin = min(self.margin, float((torch.minimum(nearest, ends) * step).min()))
        return step * (clipped + (level - clipped).detach()), 0.0


class QuotientRemainderTable(Table):
    @staticmethod
    def shapes(rows, config):
        buckets = config["buckets"]
        return {"quotients": (-(-rows // buckets), config["dim"]), "remainders": (buckets, config["dim"])}

    def per_row_arrays(self):
        return list(self.arrays.values())

    def forward(self, ids):
        buckets = self.config["buckets"]
        return (self.gather(ids // buckets, self.arrays["quotients"]) *
                self.gather(ids % buckets, self.arrays["remainders"])), 0.0


class MemcomTable(Table):
    @staticmethod
    def shapes(rows, config):
        return {"table": (config["buckets"], config["dim"]), "factors": (rows, 1)}

    @staticmethod
    def offset(key):
        return 1.0 if key == "factors" else 0.0

    def per_row_arrays(self):
        return list(self.arrays.values())

    def forward(self, ids):
        return (self.gather(ids, self.arrays["factors"]) *
                self.gather(ids % self.config["buckets"], self.arrays["table"])), 0.0


class MixedDimTable(Table):
    @staticmethod
    def blocks(rows, config):
        ends = [math.ceil(fraction * rows) for fraction in config["tiers"]] + [rows]
        return list(zip([0] + ends[:-1], ends, config["widths"]))

    @staticmethod
    def shapes(rows, config):
        shapes = {}
        for i, (begin, end, width) in enumerate(MixedDimTable.blocks(rows, config)):
            shapes[f"table.{i}"] = (end - begin, width)
            if width < config["dim"]:
                shapes[f"projection.{i}"] = (width, config["dim"])
        return shapes

    def per_row_arrays(self):
        return [value for key, value in self.arrays.items() if key.startswith("table")]

    def forward(self, ids):
        rows = torch.zeros(len(ids), self.config["dim"], dtype=self.per_row.dtype)
        for i, (begin, end, width) in enumerate(self.blocks(self.rows, self.config)):
            members = ((ids >= begin) & (ids < end)).nonzero(as_tuple=True)[0]
            own = self.gather(ids[members] - begin, self.arrays[f"table.{i}"])
            if width < self.config["dim"]:
                own = own @ self.arrays[f"projection.{i}"]
            rows = rows.index_put((members,), own)
        return rows, 0.0


class MgqeTable(Table):
    def __init__(self, name, rows, config, initial):
        super().__init__(name, rows, config, initial)
        self.tiers = make_tiers(rows, config)

    @staticmethod
    def shapes(rows, config):
        shapes = {"queries": (rows, config["dim"])}
        for tier in make_tiers(rows, config):
            shapes.setdefault(tier.codebook, (tier.centroids, config["dim"]))
        return shapes

    @torch.no_grad()
    def search(self, queries, codebook, subspaces):
        """queries (m, d), codebook (K, d) -> codes (m, D)"""
        queries, centroids = split(queries, subspaces), split(codebook, subspaces)
        distances = ((queries[:, None] - centroids[None]) ** 2).sum(-1)  # (m, K, D)
        codes = distances.argmin(1)
        # Half the gap of squared distances over ||c - c'|| is how far the plane between is.
        self.margin = min(self.margin, 0.5 * least_gap(distances, codes, centroids))
        return codes

    def search_tiers(self, ids):
        """Of each tier: which of the ids are its own, and their codes (members, D_i)."""
        for tier in self.tiers:
            members = ((ids >= tier.begin) & (ids < tier.end)).nonzero(as_tuple=True)[0]
            if len(members) > 0:
                codebook = self.served(self.arrays[tier.codebook])[:tier.centroids]
                yield tier, members, self.search(self.per_row[ids[members]], codebook,
                                                 tier.subspaces)

    def codes(self):
        return torch.cat([codes.ravel()
                          for _, _, codes in self.search_tiers(torch.arange(self.rows))])

    def forward(self, ids):
        query = self.gather(ids)
        chosen = torch.zeros_like(query)
        for tier, members, codes in self.search_tiers(ids):
            centroids = split(self.served(self.arrays[tier.codebook]), tier.subspaces)
            rows = centroids[codes, torch.arange(tier.subspaces)].reshape(len(members), -1)
            chosen = chosen.index_put((members,), rows)
        loss = self.config["codebook_weight"] * ((chosen - query.detach()) ** 2).mean()
        if "commitment_weight" in self.config:
            loss = loss + self.config["commitment_weight"] * (
                (chosen.detach() - query) ** 2).mean()
        return query + (chosen - query).detach(), loss


class DpqSxTable(Table):
    def __init__(self, name, rows, config, initial):
        super().__init__(name, rows, config, initial)
        unseen = torch.tensor([0.0, 1.0], dtype=self.per_row.dtype)
        self.running = unseen[:, None].repeat(1, config["centroids"][0])  # mean, variance (K)

    @staticmethod
    def shapes(rows, config):
        codebook = (config["centroids"][0], config["dim"])
        return {"queries": (rows, config["dim"]), "keys": codebook, "values": codebook}

    def split_all(self, queries):
        subspaces = self.config["subspaces"]
        return (split(each, subspaces)
                for each in (queries, self.arrays["keys"], self.served(self.arrays["values"])))

    def search(self, scores, keys):
        """scores (m, K, D) -> codes (m, D)"""
        codes = scores.argmax(1)
        # The gap of dot products over ||k - k'|| is how far the plane between is.
        self.margin = min(self.margin, least_gap(-scores, codes, keys))
        return codes

    def scores(self, responses, mean, variance):
        """Those of responses (m, K, D) by moments (K), and what keys are multiplied by for them."""
        temperature = self.config.get("softmax_temperature", 1.0)
        if "distance_bn" not in self.config:
            return responses / temperature, 1.0 / temperature
        deviation = (variance + 1e-3).sqrt()[:, None] * temperature
        return (responses - mean[:, None]) / deviation, 1.0 / deviation.detach()[:, :, None]

    @torch.no_grad()
    def codes(self):
        queries, keys, _ = self.split_all(self.per_row)
        responses = torch.einsum("mjw,kjw->mkj", queries, keys)
        scores, factor = self.scores(responses, *self.running)
        return self.search(scores, keys * factor).ravel()

    def forward(self, ids):
        queries, keys, values = self.split_all(self.gather(ids))
        responses = torch.einsum("mjw,kjw->mkj", queries, keys)
        moments = responses.mean((0, 2)), responses.var((0, 2), correction=0)
        self.running += 0.01 * (torch.stack(moments).detach() - self.running)
        scores, factor = self.scores(responses, *moments)
        codes = self.search(scores.detach(), keys.detach() * factor)
        soft = scores.softmax(1)
        hard = F.one_hot(codes, scores.shape[1]).transpose(1, 2).to(soft.dtype)  # (m, K, D)
        weights = soft - (soft - hard).detach()
        return torch.einsum("mkj,kjw->mjw", weights, values).reshape(len(ids), -1), 0.0


def splitmix64(x):
    """One output of the generator (Steele et al. 2014) from state x."""
    mask = 2 ** 64 - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
    x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
    return x ^ x >> 31


def split(rows, subspaces):
    """(m, d) -> (m, D, w)"""
    return rows.reshape(len(rows), subspaces, -1)


def least_gap(costs, codes, vectors):
    """Least of (cost of the second best - cost of the best) / (distance of their vectors).
    costs (m, K, D), codes (m, D), vectors (K, D, w)"""
    best, second = costs.topk(2, dim=1, largest=False)[1].unbind(1)  # (m, D) each
    assert torch.equal(costs.gather(1, best[:, None]), costs.gather(1, codes[:, None]))
    gap = costs.gather(1, second[:, None]) - costs.gather(1, best[:, None])
    subspace = torch.arange(vectors.shape[1])
    apart = (vectors[best, subspace] - vectors[second, subspace]).norm(dim=-1)
    return float((gap[:, 0] / apart).min())


def make_tiers(rows, config):
    """Tier i ends at ceil(fraction_i n)."""
    ends = [math.ceil(fraction * rows) for fraction in config["tiers"]] + [rows]
    count = len(ends)
    variant = config.get("variant", "shared_k")
    names = [f"codebook.{i}" for i in range(count)] if variant != "shared_k" else (
        ["codebook"] * count)
    centroids, subspaces = (list(each) if isinstance(each, list) else [each]
                            for each in (config["centroids"], config["subspaces"]))
    return [Tier(*each) for each in zip([0] + ends[:-1], ends, names, of_tiers(centroids, count),
                                        of_tiers(subspaces, count))]


def of_tiers(values, count):
    """One value stands for all tiers."""
    return values * count if len(values) == 1 else values


TABLES = {"full": FullTable, "low_rank": LowRankTable, "hashed": HashedTable, "mgqe": MgqeTable,
          "dpq_sx": DpqSxTable, "lsq": LsqTable, "multiplexed": HashedTable,
          "quotient_remainder": QuotientRemainderTable, "memcom": MemcomTable,
          "mixed_dim": MixedDimTable}
