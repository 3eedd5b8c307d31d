#!/usr/bin/env python3
"""Times DLRM training in PyTorch, as a user of PyTorch would write it.

As dcn_pytorch.py otherwise.

Needs numpy and PyTorch >= 1.13:
  python3 experiments/baselines/dlrm_pytorch.py --fields 957,4082,7,2,9 --examples 200000 --dim 16 --threads 1
"""

import torch
import torch.nn.functional as F

from pytorch_common import FeatureVectors, comma_list, layers_of, run_click_model


class Dlrm(torch.nn.Module):
    def __init__(self, fields, args):
        super().__init__()
        self.features = FeatureVectors(fields, args)
        vectors = len(fields) + (args.dense > 0)
        if args.dense > 0:
            self.bottom, _ = layers_of(args.dense, args.bottom + [args.dim])
        i, j = torch.tril_indices(vectors, vectors, -1)
        self.register_buffer("places", i * vectors + j)
        self.top, hidden = layers_of(len(self.places) + (args.dim if args.dense > 0 else 0),
                                     args.hidden)
        self.predict = torch.nn.Linear(hidden, 1)

    def forward(self, ids, dense, labels):
        vectors, table_loss = self.features(ids)
        beside = []
        if dense.shape[1] > 0:
            beside = [self.bottom(dense)]
            vectors = torch.cat([vectors, beside[0][:, None]], 1)
        products = torch.bmm(vectors, vectors.transpose(1, 2)).flatten(1)
        chosen = products.index_select(1, self.places)
        logits = self.predict(self.top(torch.cat([chosen, *beside], 1))).squeeze(-1)
        return F.binary_cross_entropy_with_logits(logits, labels) + table_loss


if __name__ == "__main__":
    run_click_model("dlrm", Dlrm, __doc__,
                    lambda parser: parser.add_argument("--bottom", type=comma_list(int),
                                                       default=[64]))
