#!/usr/bin/env python3
"""Trains one configuration on the CPU and on the GPU and compares what they serve: codes bit by bit,
floats within the rounding of a training run.

  same_run.py --out FOLDER -- build/release/mgqe train --embedding mgqe ...
"""

import argparse
import array
import json
import math
import struct
import subprocess
import sys

# A step rounds each value in another order: a few units in the last place, over some hundred steps
# of a rate that keeps them apart. Codes have to be equal all the same.
RELATIVE = 1e-4

# A softmax over keys does not change when all scores shift alike, so the gradient of their bias is 0
# but for rounding, which Adam scales up to its rate.
NOISE = (".key.bias",)


def arrays_of(path):
    """name -> (dtype, bytes) of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    return {name: (info["dtype"], data[info["data_offsets"][0]:info["data_offsets"][1]])
            for name, info in header.items() if name != "__metadata__"}


def compare(cpu, gpu):
    """(codes that differ, largest difference of floats over the largest value of their array)"""
    if cpu.keys() != gpu.keys():
        sys.exit(f"other arrays: {sorted(cpu.keys() ^ gpu.keys())}")
    codes, worst = 0, 0.0
    for name, (dtype, mine) in cpu.items():
        other_dtype, other = gpu[name]
        if dtype != other_dtype or len(mine) != len(other):
            sys.exit(f"{name} is {dtype} of {len(mine)} bytes by the CPU, {other_dtype} of "
                     f"{len(other)} by the GPU")
        if name.endswith(NOISE):
            continue
        if dtype != "F32":
            codes += sum(a != b for a, b in zip(mine, other))
            continue
        values, others = array.array("f", mine), array.array("f", other)
        scale = max((abs(value) for value in values), default=0.0)
        for a, b in zip(values, others):
            if not math.isfinite(b):
                sys.exit(f"{name} holds {b} by the GPU")
            worst = max(worst, abs(a - b) / scale if scale > 0.0 else abs(b))
    return codes, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of both runs")
    parser.add_argument("command", nargs="+", help="mgqe train and its options, behind --")
    args = parser.parse_args()
    artifacts = {}
    for device in ("cpu", "cuda"):
        folder = f"{args.out}/{device}"
        done = subprocess.run([*args.command, "--device", device, "--out", folder],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"on {device}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
        artifacts[device] = arrays_of(f"{folder}/model.safetensors")
    codes, worst = compare(artifacts["cpu"], artifacts["cuda"])
    print(f"{codes} bytes of codes differ, floats by {worst:.1e} of the largest")
    sys.exit(0 if codes == 0 and worst <= RELATIVE else 1)


if __name__ == "__main__":
    main()
