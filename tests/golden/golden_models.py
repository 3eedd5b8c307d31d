"""Backbones of the golden trajectories, in autograd's words.

Shapes: B pairs, T tokens of B sequences, d dimensions, H heads. A model maps a batch to its task
loss and the sum of its tables' own losses. Matrices of layers are (input, output).
"""

import math

import torch
import torch.nn.functional as F

from golden_embeddings import TABLES


class Model(torch.nn.Module):
    """What all models have; `margin` is the least |x| that a ReLU has met so far."""

    def __init__(self, config, initial):
        super().__init__()
        self.config = config
        self.tables = {name: TABLES[config["scheme"]](name, rows, self.table_config(config, name),
                                                      initial)
                       for name, rows in self.table_rows(config).items()}
        of_tables = {key for table in self.tables.values() for key in table.values()}
        self.arrays = {name: torch.nn.Parameter(value.clone())
                       for name, value in initial.items() if name not in of_tables}
        self.margin = math.inf

    @staticmethod
    def table_rows(config):
        """Rows of the tables by name."""
        return {"user": config["users"], "item": config["items"]}

    @staticmethod
    def table_config(config, name):
        """The config as the table of that name sees it."""
        return config

    @staticmethod
    def draw(config, normal, uniform):
        """Initial values of the other arrays by name."""
        raise NotImplementedError

    @staticmethod
    def per_row_arrays():
        """Names of arrays outside the tables that have a row an id."""
        return []

    def per_row(self):
        return ([each for table in self.tables.values() for each in table.per_row_arrays()] +
                [self.arrays[name] for name in self.per_row_arrays()])

    def dense(self):
        return ([each for table in self.tables.values() for each in table.dense()] +
                [value for name, value in self.arrays.items()
                 if name not in self.per_row_arrays()])

    def values(self):
        """All parameters by name, detached."""
        tables = {key: value for table in self.tables.values()
                  for key, value in table.values().items()}
        return {name: value.detach() for name, value in {**tables, **self.arrays}.items()}

    def codes(self):
        codes = {name: table.codes() for name, table in self.tables.items()}
        return {name: value for name, value in codes.items() if value is not None}

    def code_margin(self):
        return min(table.margin for table in self.tables.values())

    def rounding_margin(self):
        return min(table.rounding_margin for table in self.tables.values())

    def affine(self, x, name):
        return x @ self.arrays[f"{name}.weights"] + self.arrays[f"{name}.bias"]

    def relu(self, x):
        self.margin = min(self.margin, float(x.detach().abs().min()))
        return F.relu(x)


class Gmf(Model):
    """logit = sum_c weights_c p_c q_c + bias"""

    @staticmethod
    def draw(config, normal, uniform):
        return {"gmf.weights": uniform(math.sqrt(3.0 / config["dim"]), config["dim"] + 1)}

    def dots(self, p, q):
        weights = self.arrays["gmf.weights"]  # the bias last
        return (weights[:-1] * p * q).sum(-1) + weights[-1]

    def forward(self, batch):
        p, user_loss = self.tables["user"](batch["users"])
        q, item_loss = self.tables["item"](batch["items"])
        return ranking_loss(self.dots(p, q), batch), user_loss + item_loss


class Neumf(Gmf):
    """logit = that of GMF + output . h, h the last of three layers of an MLP that reads [p'; q'],
    of tables p', q' of its own, of mlp_dim components where that is given"""

    @staticmethod
    def table_rows(config):
        return {f"{part}.{side}": config[f"{side}s"]
                for part in ("gmf", "mlp") for side in ("user", "item")}

    @staticmethod
    def table_config(config, name):
        mlp_dim = config.get("mlp_dim", config["dim"])
        return {**config, "dim": mlp_dim} if name.startswith("mlp.") else config

    @staticmethod
    def draw(config, normal, uniform):
        values = Gmf.draw(config, normal, uniform)
        mlp_dim = config.get("mlp_dim", config["dim"])
        widths = [2 * mlp_dim >> layer for layer in range(4)]
        for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            values[f"mlp.{layer}.weights"] = normal(inputs ** -0.5, inputs, outputs)
            values[f"mlp.{layer}.bias"] = normal(0.1, outputs)
        values["mlp.output"] = normal(widths[-1] ** -0.5, widths[-1])
        return values

    def mlp(self, p, q):
        h = torch.cat([p, q], 1)
        for layer in range(3):
            h = self.relu(self.affine(h, f"mlp.{layer}"))
        return h @ self.arrays["mlp.output"]

    def forward(self, batch):
        rows, losses = zip(*(table(batch["users" if name.endswith("user") else "items"])
                             for name, table in self.tables.items()))
        logits = self.dots(*rows[:2]) + self.mlp(*rows[2:])
        return ranking_loss(logits, batch), sum(losses)


class Sasrec(Model):
    """As its authors' TensorFlow code (Kang & McAuley 2018), padding skipped, without dropout:
    x = sqrt(d) item + position; each block: n = LN(x), x = n + attention(n W_q, x W_k, x W_v),
    n = LN(x), x = n + relu(n W_1) W_2; x = LN(x). Logits are dots of x with unscaled items."""

    EPSILON = 1e-8  # of layer norms

    @staticmethod
    def table_rows(config):
        return {"item": config["items"]}

    @staticmethod
    def draw(config, normal, uniform):
        d = config["dim"]
        values = {"sasrec.positions": normal(0.1, config["max_length"], d)}

        def norm(name):
            values[f"{name}.gain"] = 1 + normal(0.1, d)
            values[f"{name}.bias"] = normal(0.1, d)

        def layers(*names):
            for name in names:
                values[f"{name}.weights"] = normal(d ** -0.5, d, d)
                values[f"{name}.bias"] = normal(0.1, d)

        for block in range(config["blocks"]):
            norm(f"block.{block}.attention_norm")
            layers(*(f"block.{block}.{name}" for name in ("query", "key", "value")))
            norm(f"block.{block}.forward_norm")
            layers(*(f"block.{block}.forward.{layer}" for layer in (0, 1)))
        norm("final_norm")
        return values

    def layer_norm(self, x, name):
        variance, mean = torch.var_mean(x, -1, unbiased=False, keepdim=True)
        gain, bias = self.arrays[f"{name}.gain"], self.arrays[f"{name}.bias"]
        return gain * (x - mean) / (variance + self.EPSILON).sqrt() + bias

    def attention(self, q, k, v):
        """q, k, v (L, d) of one sequence -> (L, d)"""
        heads = self.config["heads"]
        q, k, v = (each.reshape(len(each), heads, -1).transpose(0, 1) for each in (q, k, v))
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])  # (H, L, L)
        later = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
        weights = scores.masked_fill(later, -math.inf).softmax(-1)
        return (weights @ v).transpose(0, 1).flatten(1)

    def block(self, x, offsets, name):
        normed = self.layer_norm(x, f"{name}.attention_norm")
        qkv = (self.affine(normed, f"{name}.query"), self.affine(x, f"{name}.key"),
               self.affine(x, f"{name}.value"))
        x = normed + torch.cat([self.attention(*(each[begin:end] for each in qkv))
                                for begin, end in zip(offsets, offsets[1:])])
        normed = self.layer_norm(x, f"{name}.forward_norm")
        hidden = self.relu(self.affine(normed, f"{name}.forward.0"))
        return normed + self.affine(hidden, f"{name}.forward.1")

    def forward(self, batch):
        ids = torch.cat([batch[name] for name in ("inputs", "positives", "negatives")])
        rows, table_loss = self.tables["item"](ids)
        inputs, positives, negatives = rows.chunk(3)  # (T, d) each
        positions = self.arrays["sasrec.positions"][batch["positions"]]
        x = math.sqrt(self.config["dim"]) * inputs + positions
        for block in range(self.config["blocks"]):
            x = self.block(x, batch["offsets"].tolist(), f"block.{block}")
        x = self.layer_norm(x, "final_norm")
        positive, negative = (x * positives).sum(-1), (x * negatives).sum(-1)
        # BCE of label 1 is softplus(-logit), of label 0 softplus(logit).
        return (F.softplus(-positive) + F.softplus(negative)).mean(), table_loss


class RelevanceGmf(Gmf):
    """prediction = mean + b_i + b_j + GMF's logit of two rows of one table; squared error"""

    @staticmethod
    def table_rows(config):
        return {"item": config["items"]}

    @staticmethod
    def draw(config, normal, uniform):
        return {"relevance.biases": normal(0.1, config["items"], 1),
                **Gmf.draw(config, normal, uniform)}

    @staticmethod
    def per_row_arrays():
        return ["relevance.biases"]

    def logits(self, rows):
        """From the rows of [left; right] of each table."""
        return self.dots(*rows["item"].chunk(2))

    def forward(self, batch):
        ids = torch.cat([batch["left"], batch["right"]])
        found = {name: table(ids) for name, table in self.tables.items()}
        sparse = self.config["optimizer"] == "sparse_adam"
        biases = F.embedding(ids, self.arrays["relevance.biases"], sparse=sparse)
        predictions = (self.config["mean"] + biases.reshape(2, -1).sum(0) +
                       self.logits({name: rows for name, (rows, _) in found.items()}))
        loss = ((predictions - batch["targets"]) ** 2).mean()
        return loss, sum(table_loss for _, table_loss in found.values())


class RelevanceNeumf(RelevanceGmf, Neumf):
    """The same with NeuMF's logit, its MLP's averaged over the two orders of a pair"""

    @staticmethod
    def table_rows(config):
        return {"gmf.item": config["items"], "mlp.item": config["items"]}

    @staticmethod
    def draw(config, normal, uniform):
        return {**RelevanceGmf.draw(config, normal, uniform),
                **Neumf.draw(config, normal, uniform)}

    def logits(self, rows):
        left, right = rows["mlp.item"].chunk(2)
        mlp = 0.5 * (self.mlp(left, right) + self.mlp(right, left))
        return self.dots(*rows["gmf.item"].chunk(2)) + mlp


class Ctr(Model):
    """A logit of each of B rows from the vectors of its C features, side by side, and F dense
    numbers. batch["rows"] (B C) are rows of the one table."""

    @staticmethod
    def table_rows(config):
        return {"fields": config["rows"]}

    def forward(self, batch):
        rows, table_loss = self.tables["fields"](batch["rows"])
        vectors = rows.reshape(-1, self.config["features"], self.config["dim"])
        return ranking_loss(self.logits(vectors, batch["dense"]), batch), table_loss

    def layers(self, x, name, count):
        for layer in range(count):
            x = self.relu(self.affine(x, f"{name}.{layer}"))
        return x

    def output(self, x):
        return x @ self.arrays["output.weights"] + self.arrays["output.bias"]

    @staticmethod
    def draw_layers(normal, name, widths):
        return {key: value for layer, (inputs, outputs) in enumerate(zip(widths, widths[1:]))
                for key, value in ((f"{name}.{layer}.weights", normal(inputs ** -0.5, inputs, outputs)),
                                   (f"{name}.{layer}.bias", normal(0.1, outputs)))}

    @staticmethod
    def draw_output(normal, width):
        return {"output.weights": normal(width ** -0.5, width), "output.bias": normal(0.1, 1)}


class Dcn(Ctr):
    """DCN-V2, parallel: x_{l+1} = x_0 (x_l W_l + b_l) + x_l beside a deep network"""

    @staticmethod
    def draw(config, normal, uniform):
        width = config["features"] * config["dim"] + config["dense"]
        crosses = [width] * (config["cross_layers"] + 1)
        return {**Ctr.draw_layers(normal, "cross", crosses),
                **Ctr.draw_layers(normal, "deep", [width, *config["hidden"]]),
                **Ctr.draw_output(normal, width + config["hidden"][-1])}

    def logits(self, vectors, dense):
        x = first = torch.cat([vectors.flatten(1), dense], 1)
        for layer in range(self.config["cross_layers"]):
            x = first * self.affine(x, f"cross.{layer}") + x
        deep = self.layers(first, "deep", len(self.config["hidden"]))
        return self.output(torch.cat([x, deep], 1))


class Dlrm(Ctr):
    """DLRM: dense numbers become one more vector; dot products of every two, and that vector"""

    @staticmethod
    def draw(config, normal, uniform):
        dim, vectors = config["dim"], config["features"] + 1
        inputs = vectors * (vectors - 1) // 2 + dim
        return {**Ctr.draw_layers(normal, "bottom", [config["dense"], *config["bottom"], dim]),
                **Ctr.draw_layers(normal, "top", [inputs, *config["hidden"]]),
                **Ctr.draw_output(normal, config["hidden"][-1])}

    def logits(self, vectors, dense):
        last = self.layers(dense, "bottom", len(self.config["bottom"]) + 1)
        vectors = torch.cat([vectors, last[:, None]], 1)
        count = vectors.shape[1]
        products = vectors @ vectors.transpose(1, 2)
        pairs = [products[:, i, j] for i in range(count) for j in range(i)]
        x = torch.cat([torch.stack(pairs, 1), last], 1)
        return self.output(self.layers(x, "top", len(self.config["hidden"])))


def ranking_loss(logits, batch):
    return F.binary_cross_entropy_with_logits(logits, batch["labels"])


MODELS = {("gmf", "ranking"): Gmf, ("neumf", "ranking"): Neumf, ("sasrec", "ranking"): Sasrec,
          ("gmf", "relevance"): RelevanceGmf, ("neumf", "relevance"): RelevanceNeumf,
          ("dcn", "ctr"): Dcn, ("dlrm", "ctr"): Dlrm}
