#!/usr/bin/env python3
"""Times DCN-V2 training (parallel) in PyTorch, as a user of PyTorch would write it.

As gmf_pytorch.py otherwise; rows are random, of fields as large as the ones given.

Needs numpy and PyTorch >= 1.13:
  python3 experiments/baselines/dcn_pytorch.py --fields 957,4082,7,2,9 --examples 200000 --dim 16 \\
      --embedding mgqe --subspaces 8 --threads 1
"""

import torch
import torch.nn.functional as F

from pytorch_common import FeatureVectors, layers_of, run_click_model


class Dcn(torch.nn.Module):
    def __init__(self, fields, args):
        super().__init__()
        width = len(fields) * args.dim + args.dense
        self.features = FeatureVectors(fields, args)
        self.cross = torch.nn.ModuleList(
            torch.nn.Linear(width, width) for _ in range(args.cross_layers))
        self.deep, hidden = layers_of(width, args.hidden)
        self.predict = torch.nn.Linear((width if args.cross_layers else 0) + hidden, 1)

    def forward(self, ids, dense, labels):
        vectors, table_loss = self.features(ids)
        x0 = vectors.flatten(1)
        if dense.shape[1] > 0:
            x0 = torch.cat([x0, dense], 1)
        outputs, x = [], x0
        for layer in self.cross:
            x = torch.addcmul(x, x0, layer(x))
        if len(self.cross) > 0:
            outputs.append(x)
        outputs.append(self.deep(x0))
        logits = self.predict(torch.cat(outputs, 1)).squeeze(-1)
        return F.binary_cross_entropy_with_logits(logits, labels) + table_loss


if __name__ == "__main__":
    run_click_model("dcn", Dcn, __doc__,
                    lambda parser: parser.add_argument("--cross-layers", type=int, default=3))
