#!/usr/bin/env python3
"""Times SASRec training in PyTorch, as a user of PyTorch would write it.

Prints one JSON object, as gmf_pytorch.py does and on the same terms: batches are drawn beforehand
and are no part of the time. Sequences are padded to --max-length for the blocks, at their end, so
that the causal mask alone keeps padding out; embeddings are looked up, and logits computed, for
real tokens only, and MGQE quantizes each distinct item of a batch once.

Needs numpy and PyTorch >= 1.13:
  python3 experiments/baselines/sasrec_pytorch.py --embedding mgqe --optimizer adam --threads 2
"""

import math

import numpy
import torch
import torch.nn.functional as F

from pytorch_common import (FullTable, MgqeTable, make_parser, measure, parse, read_pairs,
                            replace_seen, report, start)

HAS_SDPA = hasattr(F, "scaled_dot_product_attention")


class Block(torch.nn.Module):
    """n = LN(x); x = n + attention(n, x, x); n = LN(x); n + feed-forward(n). No output
    projection, as in the authors' code. x (B, L, d)"""

    def __init__(self, args):
        super().__init__()
        d = args.dim
        self.heads, self.dropout, self.fused = args.heads, args.dropout, args.attention == "sdpa"
        self.attention_norm = torch.nn.LayerNorm(d, eps=1e-8)
        self.query, self.key, self.value = (torch.nn.Linear(d, d) for _ in range(3))
        self.forward_norm = torch.nn.LayerNorm(d, eps=1e-8)
        self.feed_forward = torch.nn.Sequential(
            torch.nn.Linear(d, d), torch.nn.ReLU(), torch.nn.Dropout(args.dropout),
            torch.nn.Linear(d, d), torch.nn.Dropout(args.dropout))
        later = torch.ones(args.max_length, args.max_length, dtype=torch.bool).triu(1)
        self.register_buffer("later", later)

    def by_head(self, x):
        """(B, L, d) -> (B, heads, L, d / heads)"""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def attend(self, q, k, v):
        if self.fused:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout, is_causal=True)
        scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
        weights = scores.masked_fill(self.later, -math.inf).softmax(-1)
        return F.dropout(weights, self.dropout) @ v

    def forward(self, x):
        normed = self.attention_norm(x)
        attended = self.attend(self.by_head(self.query(normed)), self.by_head(self.key(x)),
                               self.by_head(self.value(x)))
        normed = self.forward_norm(normed + attended.transpose(1, 2).flatten(2))
        return normed + self.feed_forward(normed)


class Sasrec(torch.nn.Module):
    def __init__(self, items, args):
        super().__init__()
        self.items = (FullTable if args.embedding == "full" else MgqeTable)(items, args)
        self.positions = torch.nn.Embedding(args.max_length, args.dim)
        torch.nn.init.normal_(self.positions.weight, std=0.01)
        self.dropout = torch.nn.Dropout(args.dropout)
        self.blocks = torch.nn.Sequential(*(Block(args) for _ in range(args.blocks)))
        self.norm = torch.nn.LayerNorm(args.dim, eps=1e-8)
        self.shape = (args.batch, args.max_length, args.dim)

    def forward(self, ids, positions, places):
        """ids (3T): inputs, positives, negatives; positions (T); places (T) of the tokens in the
        padded batch."""
        rows, table_loss = self.items.forward_distinct(ids)
        inputs, positives, negatives = rows.chunk(3)
        x = self.dropout(math.sqrt(self.shape[2]) * inputs + self.positions(positions))
        batch, length, dim = self.shape
        padded = x.new_zeros(batch * length, dim).index_copy(0, places, x)
        x = self.blocks(padded.view(self.shape)).flatten(0, 1).index_select(0, places)
        x = self.norm(x)
        positive, negative = (x * positives).sum(-1), (x * negatives).sum(-1)
        return (F.binary_cross_entropy_with_logits(positive, torch.ones_like(positive)) +
                F.binary_cross_entropy_with_logits(negative, torch.zeros_like(negative)) +
                table_loss)


def make_batches(pairs, count, args, random):
    """`count` batches of (ids, positions, places), users in an order drawn anew each epoch, and the
    number of users that have a token."""
    order = numpy.argsort(pairs[0], kind="stable")
    users, items = pairs[0][order], pairs[1][order]
    begins = numpy.searchsorted(users, numpy.arange(pairs[2] + 1))
    usable = numpy.flatnonzero(numpy.diff(begins) > 1)
    epochs = math.ceil(count * args.batch / len(usable))
    drawn = numpy.concatenate([random.permutation(usable) for _ in range(epochs)])
    batches = []
    for batch_users in drawn[:count * args.batch].reshape(count, args.batch):
        ends = begins[batch_users + 1]
        lengths = numpy.minimum(ends - begins[batch_users] - 1, args.max_length)
        # Token t of a sequence of l reads action end - 1 - l + t, at position max_length - l + t.
        step = numpy.concatenate([numpy.arange(length) for length in lengths])
        action = numpy.repeat(ends - 1 - lengths, lengths) + step
        negatives = items[action]
        replace_seen(users[action], negatives, numpy.arange(len(action)), pairs, random)
        ids = numpy.concatenate([items[action], items[action + 1], negatives])
        positions = numpy.repeat(args.max_length - lengths, lengths) + step
        places = numpy.repeat(args.max_length * numpy.arange(args.batch), lengths) + step
        batches.append(tuple(map(torch.from_numpy, (ids, positions, places))))
    return batches, len(usable)


def parse_arguments():
    parser = make_parser(__doc__, batch=128, steps=20, warmup=3)
    parser.add_argument("--max-length", type=int, default=200)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--attention", choices=["plain", "sdpa"],
                        default="sdpa" if HAS_SDPA else "plain",
                        help="sdpa is F.scaled_dot_product_attention, of PyTorch >= 2")
    args = parse(parser, betas=(0.9, 0.98))
    if args.attention == "sdpa" and not HAS_SDPA:
        parser.error(f"--attention sdpa needs PyTorch >= 2, this is {torch.__version__}")
    if args.dim % args.heads != 0:
        parser.error(f"--heads {args.heads} does not divide --dim {args.dim}")
    return args


def main():
    args = parse_arguments()
    random = start(args)
    pairs = read_pairs(args, random)
    batches, users = make_batches(pairs, args.warmup + args.steps, args, random)
    figures = measure(Sasrec(pairs[3], args), batches, args)
    tokens = sum(len(positions) for _, positions, _ in batches[args.warmup:])
    shape = {"users": pairs[2], "items": pairs[3], "batch": args.batch, "dim": args.dim,
             "max_length": args.max_length, "blocks": args.blocks, "heads": args.heads,
             "dropout": args.dropout}
    report("sasrec", args, shape, {
        **figures,
        "attention": args.attention,
        "tokens_per_step": tokens / args.steps,
        "steps_per_epoch": math.ceil(users / args.batch),
    })


if __name__ == "__main__":
    main()
