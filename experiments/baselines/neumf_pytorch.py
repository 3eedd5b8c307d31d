#!/usr/bin/env python3
"""Times NeuMF training in PyTorch, as a user of PyTorch would write it.

Prints one JSON object, as gmf_pytorch.py does and on the same terms. Tables of its own for the GMF
and the MLP half; the MLP reads [p; q] and has three layers, 2d -> d -> d/2 -> d/4.

Needs numpy and PyTorch >= 1.13:
  python3 experiments/baselines/neumf_pytorch.py --embedding mgqe --optimizer adam --threads 2
"""

import torch
import torch.nn.functional as F

from pytorch_common import FullTable, MgqeTable, run_pair_model


class Neumf(torch.nn.Module):
    def __init__(self, users, items, args):
        super().__init__()
        table = FullTable if args.embedding == "full" else MgqeTable
        self.gmf_users, self.gmf_items = table(users, args), table(items, args)
        self.mlp_users, self.mlp_items = table(users, args), table(items, args)
        widths = [2 * args.dim >> layer for layer in range(4)]
        self.mlp = torch.nn.Sequential(*(
            layer for inputs, outputs in zip(widths, widths[1:])
            for layer in (torch.nn.Linear(inputs, outputs), torch.nn.ReLU())))
        self.predict = torch.nn.Linear(args.dim + widths[-1], 1)

    def forward(self, users, items, labels):
        rows, losses = zip(self.gmf_users(users), self.gmf_items(items), self.mlp_users(users),
                           self.mlp_items(items))
        hidden = self.mlp(torch.cat(rows[2:], 1))
        logits = self.predict(torch.cat([rows[0] * rows[1], hidden], 1)).squeeze(-1)
        return F.binary_cross_entropy_with_logits(logits, labels) + sum(losses)


if __name__ == "__main__":
    run_pair_model("neumf", Neumf, __doc__)
