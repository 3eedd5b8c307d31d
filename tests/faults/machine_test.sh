#!/usr/bin/env bash
# What a machine does to a run: a disk that is full or read-only, a clock that goes back, a second run
# in its folder. Each is told in one line, nothing is half-written, and the run ends as it would have.
# Disks are small ones in memory, which root alone may mount; elsewhere they are left out.
# usage: machine_test.sh BUILD_FOLDER
set -u
build=$(realpath "${1:?build folder}")
mgqe=$build/mgqe
support=$(cd "$(dirname "$0")/../support" && pwd)
work=$(mktemp -d)
trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
unset MGQE_DATA_DIR
export OMP_NUM_THREADS=1
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    echo "FAILED: $2"
    cat stderr
  fi
}
train() { # train FOLDER [OPTION...]: into run in that folder
  (cd "$1" && shift && exec "$mgqe" train --data synthetic --synthetic-users 60 --synthetic-items 50 --synthetic-actions 8 --dim 16 \
    --subspaces 4 --centroids 16,4 --batch 32 --device cpu --epochs 4 --checkpoint-every 10 --keep-checkpoints 2 \
    --resume --out run "$@") >stdout 2>stderr
}
one_line() { [ "$(wc -l <stderr)" -eq 1 ] && grep -qE -- "$1" stderr; }
# Of checkpoints that found no room, which end no run.
only_warnings() { ! grep -v "^mgqe: " stderr | grep -qvE " W .*last checkpoint.*: No space left on device$"; }
# A safetensors file ends where its header says, and JSON parses.
whole() {
  python3 - "$1" <<'PY'
import json, pathlib, struct, sys
run = pathlib.Path(sys.argv[1])
if (run / "result.json").exists():
    json.loads((run / "result.json").read_text())
model = run / "model.safetensors"
if model.exists():
    content = model.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__")
    assert len(content) == 8 + length + max(array["data_offsets"][1] for array in header.values())
PY
}

mkdir whole disk
train whole
verdict $? "a run that is left alone"

# ---- disks --------------------------------------------------------------------------------------

if mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null; then
  failures=0 successes=0
  for kibibytes in 4 8 12 16 20 24 28 32 40 48 56 64 80 96 128; do
    umount disk
    mount -t tmpfs -o size=${kibibytes}k tmpfs disk
    train disk
    code=$?
    if [ $code -eq 0 ]; then
      successes=$((successes + 1))
      ! grep -q "^mgqe: " stderr
    else
      failures=$((failures + 1))
      [ $code -eq 2 ] && [ "$(grep -cE "^mgqe: .*run.*: No space left on device$" stderr)" -eq 1 ]
    fi && only_warnings && whole disk/run && [ -z "$(find disk -name '*.tmp')" ]
    verdict $? "a disk of $kibibytes KiB (exit code $code)"
    mount -o remount,size=4m disk
    train disk && [ ! -s stderr ] && python3 "$support/same_run.py" whole/run disk/run
    verdict $? "and the run goes on once there is room"
  done
  [ $failures -gt 2 ] && [ $successes -gt 0 ]
  verdict $? "disks too small ($failures) and large enough ($successes)"
  before=$(find disk -type f -exec cksum {} + | sort)
  mount -o remount,ro disk
  train disk
  [ $? -eq 2 ] && one_line "^mgqe: .*run.*Read-only file system" &&
    [ "$before" = "$(find disk -type f -exec cksum {} + | sort)" ]
  verdict $? "a read-only folder"
  umount disk
else
  echo "no disk may be mounted here: those tests are left out"
fi

# ---- the clock ----------------------------------------------------------------------------------

if [ -e "$build/faulty_system.so" ]; then
  mkdir clock
  LD_PRELOAD=$build/faulty_system.so FAULTY_CLOCK=864000 train clock && [ ! -s stderr ] &&
    python3 "$support/same_run.py" whole/run clock/run
  verdict $? "a clock that goes back ten days"
fi

# ---- two runs in one folder ---------------------------------------------------------------------

mkdir two
cp whole/run -r two/run
(cd two && exec "$mgqe" train --data synthetic --synthetic-users 60 --synthetic-items 50 --synthetic-actions 8 \
  --dim 16 --subspaces 4 --device cpu --epochs 100000 --out run) >first 2>&1 &
first=$!
for _ in $(seq 600); do [ -s two/run/.lock ] && break; sleep 0.02; done
train two
[ $? -eq 2 ] && one_line "^mgqe: --out run is in use by process $first on .*: wait for its end, or give another --out$"
verdict $? "a second run in the folder of one under way"
kill $first
wait $first

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
