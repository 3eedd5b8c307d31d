#!/usr/bin/env python3
"""One matrix of a PyTorch checkpoint as .npy, for `mgqe convert`. Without a name, the matrices there
are. Tensors alone are loaded, no pickled code.

  experiments/scripts/torch_to_npy.py checkpoint.pt
  experiments/scripts/torch_to_npy.py checkpoint.pt item_embedding.weight items.npy
"""
import argparse
import sys

import numpy as np
import torch


def matrices(value, prefix=""):
    """Names and two-dimensional floating tensors of nested dictionaries, as a.b.c."""
    if isinstance(value, torch.Tensor):
        if value.dim() == 2 and value.is_floating_point():
            yield prefix, value
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from matrices(entry, f"{prefix}.{key}" if prefix else str(key))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("name", nargs="?", help="of the matrix in the state_dict")
    parser.add_argument("out", nargs="?", help="the .npy to write")
    args = parser.parse_args()
    try:
        found = dict(matrices(torch.load(args.checkpoint, map_location="cpu", weights_only=True)))
    except Exception as error:
        sys.exit(f"{args.checkpoint}: cannot be read as a checkpoint of tensors: {str(error).splitlines()[0]}")
    if args.name is None:
        for name, tensor in found.items():
            print(f"{name}  {tuple(tensor.shape)}  {tensor.dtype}")
        return
    if args.out is None:
        parser.error("name the .npy to write")
    if args.name not in found:
        sys.exit(f"{args.checkpoint} has no matrix {args.name!r}; it has {', '.join(found) or 'none'}")
    tensor = found[args.name]
    keep = tensor.dtype in (torch.float16, torch.float32, torch.float64)
    np.save(args.out, (tensor if keep else tensor.float()).contiguous().numpy(), allow_pickle=False)


if __name__ == "__main__":
    main()
