#!/usr/bin/env bash
# experiments/scripts/read_artifact.py, which shares no code with us, decodes the rows of every scheme
# to the same bits. Skipped (77) where python3 lacks numpy or safetensors; MGQE_PYTHON names another.
set -eu
build=$(cd "${1:?build folder}" && pwd)
python=${MGQE_PYTHON:-python3}
script=$PWD/experiments/scripts/read_artifact.py
"$python" -c 'import numpy, safetensors' 2>/dev/null || { echo "skipped: $python lacks numpy or safetensors"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$build/decoded_examples" "$work" >"$work/list"
while read -r number scheme; do
  for file in "$number" "$number-v2"; do
    "$python" "$script" "$work/$file.safetensors" --table item --out "$work/$file.npy"
    "$python" - "$work/$file.npy" "$work/$number.f32" "$scheme" "$file" <<'PYTHON'
import sys
import numpy as np
from safetensors import safe_open
rows = np.load(sys.argv[1])
expected = np.fromfile(sys.argv[2], np.float32).reshape(rows.shape)
scheme, name = sys.argv[3:]
assert rows.dtype == np.float32 and rows.shape == (9, 10), (rows.dtype, rows.shape)
if scheme == "low_rank":  # either sum of r products is off by r u / (1 - r u) of its terms at most
    with safe_open(sys.argv[1].replace(".npy", ".safetensors"), framework="numpy") as file:
        factor, basis = (np.abs(file.get_tensor("item." + x).astype(float)) for x in ("factor", "basis"))
    ru = len(basis) * np.finfo(np.float32).eps / 2
    bound = 2 * ru / (1 - ru) * (factor @ basis)
    assert (np.abs(rows.astype(float) - expected) <= bound).all(), (name, rows - expected)
elif scheme == "mixed_dim":  # the same of each block's width
    with safe_open(sys.argv[1].replace(".npy", ".safetensors"), framework="numpy") as file:
        def of(name):
            return np.abs(file.get_tensor("item." + name).astype(float))
        bound = np.concatenate([0 * of("table.0")] + [
            2 * w * np.finfo(np.float32).eps * (of(f"table.{i}") @ of(f"projection.{i}"))
            for i, w in ((1, 4), (2, 1))])
    assert (np.abs(rows.astype(float) - expected) <= bound).all(), (name, rows - expected)
else:
    assert rows.tobytes() == expected.tobytes(), (name, scheme, rows, expected)
PYTHON
  done
done <"$work/list"
[ "$(wc -l <"$work/list")" -ge 20 ]

# Some rows as text, behind their ids, and what is in a file.
"$python" "$script" "$work/0.safetensors" --table item --rows 2,0 >"$work/text"
[ "$(cut -d' ' -f1-2 "$work/text" | head -1)" = "b c" ]
[ "$(tail -1 "$work/text" | cut -d' ' -f1)" = a ]
"$python" "$script" "$work/0.safetensors" | grep -x "table item: 9 rows of 10 by full" >/dev/null
! "$python" "$script" "$work/0.safetensors" --table item --rows 9 2>"$work/error" || exit 1
grep -q "rows 0 to 8" "$work/error"
! "$python" "$script" "$work/0.safetensors" --table author 2>"$work/error" || exit 1
grep -q "no table author" "$work/error"

# And an artifact of a run, of an older commit, opens.
for file in tests/compatibility/*/*/model.safetensors; do
  "$python" "$script" "$file" | grep "^table " >/dev/null
done
