#!/usr/bin/env python3
"""Times GMF training in PyTorch, as a user of PyTorch would write it.

Prints one JSON object: seconds a step, samples a second, versions, threads. Made to be fair to
PyTorch: pairs, negatives and batches are drawn beforehand with numpy and are no part of the time,
which holds only forward, backward and optimizer (the program it is compared with draws its own
pairs within the step); the faster of the usual ways to write each operation is used.

Needs numpy and PyTorch >= 1.13:
  python3 experiments/baselines/gmf_pytorch.py --embedding mgqe --optimizer adam --threads 2
"""

import torch
import torch.nn.functional as F

from pytorch_common import FullTable, MgqeTable, run_pair_model


class Gmf(torch.nn.Module):
    def __init__(self, users, items, args):
        super().__init__()
        table = FullTable if args.embedding == "full" else MgqeTable
        self.users, self.items = table(users, args), table(items, args)
        self.predict = torch.nn.Linear(args.dim, 1)

    def forward(self, users, items, labels):
        p, user_loss = self.users(users)
        q, item_loss = self.items(items)
        logits = self.predict(p * q).squeeze(-1)
        return F.binary_cross_entropy_with_logits(logits, labels) + user_loss + item_loss


if __name__ == "__main__":
    run_pair_model("gmf", Gmf, __doc__)
