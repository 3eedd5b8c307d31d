#!/usr/bin/env bash
# `mgqe train` under mpirun as a user meets it: what is refused, by one line of rank 0 and with every
# rank gone; a rank that hangs; a signal; going on with another number of ranks.
set -u
mgqe=$(realpath "${1:?build folder}/mgqe")
command -v mpirun >/dev/null || { echo "no mpirun here"; exit 77; }
grep -q "MPI_CXX_FOUND:INTERNAL=TRUE\|MPI_CXX_LIB_NAMES:STRING=.\+" "$1/CMakeCache.txt" || { echo "built without MPI"; exit 77; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1
export ASAN_OPTIONS=detect_leaks=0 # Open MPI leaks at its end
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
cd "$work" || exit 1
passed=0 failed=0

verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
gone() { # every rank in this folder has ended
  for _ in $(seq 100); do
    for process in $(pgrep -f "^$mgqe "); do
      [ "$(readlink "/proc/$process/cwd")" = "$PWD" ] && { sleep 0.1; continue 2; }
    done
    return 0
  done
  return 1
}

rank_1() { # its process in this folder
  for p in $(pgrep -f "^$mgqe "); do
    [ "$(readlink "/proc/$p/cwd")" = "$PWD" ] && tr '\0' '\n' <"/proc/$p/environ" | grep -q "^OMPI_COMM_WORLD_RANK=1$" && echo "$p"
  done
}

small="--data synthetic --synthetic-users 300 --synthetic-items 200 --synthetic-actions 20 --dim 16 --subspaces 8 --centroids 32,8 --device cpu --shard rows"

# refuse NAME PATTERN ARGUMENTS_OF_MPIRUN...: fails, and the run says one line, which matches
refuse() {
  local name=$1 pattern=$2
  shift 2
  timeout 60 mpirun "$@" >stdout 2>stderr
  local code=$?
  [ $code -ne 0 ] && [ $code -ne 124 ] && [ "$(grep -c "^mgqe: " stderr)" -eq 1 ] &&
    grep -qE -- "^mgqe: .*$pattern" stderr && gone && [ ! -e run/result.json ]
  local ok=$?
  [ $ok -ne 0 ] && { echo "exit code $code"; cat stderr; }
  verdict $ok "$name"
}

# shellcheck disable=SC2086
train() { echo "$mgqe" train $small --epochs "${epochs:-2}" --out run "$@"; }
# shellcheck disable=SC2046
{
  refuse "another configuration" "rank 1 has another configuration than rank 0: .*start every rank with the same" \
    -np 1 $(train --lr 0.01) : -np 1 $(train --lr 0.02)
  commit=$("$mgqe" --version | grep -oE "[0-9a-f]{12}" | head -1)
  if [ -n "$commit" ]; then # not where the source is no git checkout
    LC_ALL=C sed "s/$commit/000000000000/g" "$mgqe" >other_build && chmod +x other_build
    other=$(train)
    refuse "another build" "rank 1 has another build than rank 0" \
      -np 1 $(train) : -np 1 ./other_build ${other#"$mgqe "}
  fi
  refuse "a flag that is no flag" "" -np 2 $(train --learning 1)
  refuse "an optimizer without bfloat16 rows" "--row-type bf16 with --optimizer sparse_adam" \
    -np 2 $(train --row-type bf16)
}
printf '%s\n' "1 1" "1 2" "1 3" "1 4" "2 1" "2 2" "2 4" "2 3" >pairs.txt
sed 's/2 4/2 5/' pairs.txt >other.txt
tiny="--dim 8 --subspaces 4 --device cpu --epochs 2 --out run"
# shellcheck disable=SC2086
refuse "more ranks than rows" "--shard rows: a table of 2 rows cannot be sharded over 4 ranks" \
  -np 4 "$mgqe" train --data pairs.txt $tiny --shard rows
mkdir a b && cp pairs.txt a/data.txt && cp other.txt b/data.txt
cat >each <<'SH'
#!/usr/bin/env bash
# Rank 0 reads a/data.txt, the others b/data.txt, by the same name.
[ "$OMPI_COMM_WORLD_RANK" = 0 ] && export MGQE_DATA_DIR=$PWD/a || export MGQE_DATA_DIR=$PWD/b
mkdir -p "rank-$OMPI_COMM_WORLD_RANK" && cp "$MGQE_DATA_DIR/data.txt" "rank-$OMPI_COMM_WORLD_RANK/"
cd "rank-$OMPI_COMM_WORLD_RANK" && exec "$@"
SH
chmod +x each
# shellcheck disable=SC2086
refuse "other data" "rank 1 has another data" -np 2 ./each "$mgqe" train --data data.txt $tiny

# ---- a run --------------------------------------------------------------------------------------

# shellcheck disable=SC2046
mpirun -np 2 $(train --checkpoint-every 106) >stdout 2>stderr
verdict $? "a run of two ranks"
mv run base

# ---- an artifact, by one rank and by several ---------------------------------------------------

"$mgqe" evaluate --artifact base/model.safetensors --shard none >one.json 2>stderr
verdict $? "evaluate by one rank"
for n in 2 3; do
  mpirun -np $n "$mgqe" evaluate --artifact base/model.safetensors --shard rows >many.json 2>stderr &&
    cmp one.json many.json
  verdict $? "$n ranks of sharded rows evaluate as one does"
done
python3 -c '
import json
assert json.load(open("one.json")) == json.load(open("base/result.json"))["test"]'
verdict $? "and as the run itself did"
refuse "an artifact that is not there" "none.safetensors" -np 2 "$mgqe" evaluate --artifact none.safetensors

# ---- going on ----------------------------------------------------------------------------------

fresh() {
  rm -rf run && cp -r base run && rm -f run/result.json run/metrics.jsonl
  last=run/checkpoints/$(ls run/checkpoints | tail -1)
  find run/checkpoints -mindepth 1 -maxdepth 1 ! -path "$last" -exec rm -r {} +
}
# shellcheck disable=SC2046
{
  fresh
  rm "$last/rank-0001-of-0002.safetensors"
  refuse "a missing shard" "rank-0001-of-0002.safetensors: no such file" -np 2 $(train --resume)
  fresh
  printf '\x55' | dd of="$last/rank-0001-of-0002.safetensors" bs=1 seek=5000 conv=notrunc 2>/dev/null
  refuse "a flipped byte of another rank's shard" "rank-0001-of-0002.safetensors: .*checksum" -np 2 $(train --resume)
  fresh
  sed -i 's/"version": 1/"version": 2/' "$last/manifest.json"
  refuse "a manifest that was changed" "manifest.json" -np 2 $(train --resume)
  fresh
  refuse "another configuration than the checkpoint's" "train.lr 0.001, not 0.5" -np 2 $(train --resume --lr 0.5)
  for n in 1 3; do
    fresh
    mpirun -np $n $(epochs=3 train --resume) >stdout 2>stderr && grep -q "^resume  from step" stdout &&
      [ -e run/result.json ]
    ok=$?
    [ $ok -ne 0 ] && cat stdout stderr
    verdict $ok "a checkpoint of two ranks goes on with $n"
  done
}

# ---- a rank that stops, and signals ---------------------------------------------------------------

rm -rf run
long=(mpirun -np 2 "$mgqe" train)
# shellcheck disable=SC2086
MGQE_WATCHDOG_SECONDS=10 timeout 100 "${long[@]}" $small --epochs 4000 --out run >stdout 2>stderr &
job=$!
for _ in $(seq 600); do [ -s run/metrics.jsonl ] && break; sleep 0.05; done
sleep 3 # until the ranks have heard of each other's steps
victim=$(rank_1)
[ -n "$victim" ] && kill -STOP $victim
wait $job
code=$?
kill -KILL $victim 2>/dev/null
[ $code -ne 0 ] && [ $code -ne 124 ] &&
  grep -qE "^rank 0 on .*: rank 1 on .* has not been heard of for .* its last step is [0-9]+" stderr && gone
ok=$?
[ $ok -ne 0 ] && { echo "exit code $code"; cat stderr; }
verdict $ok "a rank that hangs ends the job, with its name and its last step"

rm -rf run
# shellcheck disable=SC2086
timeout 60 "${long[@]}" $small --epochs 4000 --out run >stdout 2>stderr &
job=$!
for _ in $(seq 600); do [ -s run/metrics.jsonl ] && break; sleep 0.05; done
kill -KILL $(rank_1)
wait $job
code=$?
[ $code -ne 0 ] && [ $code -ne 124 ] && grep -q "rank 1 " stderr && gone &&
  grep -qE "^rank 0 on .*: SIGTERM came in step [0-9]+, in .* that another rank does not come to" stderr
ok=$?
[ $ok -ne 0 ] && { echo "exit code $code"; cat stderr; }
verdict $ok "a rank that is killed ends the job, and the other says in which step"

rm -rf run
# shellcheck disable=SC2086
timeout 60 "${long[@]}" $small --epochs 4000 --out run >stdout 2>stderr &
job=$!
for _ in $(seq 600); do [ -s run/metrics.jsonl ] && break; sleep 0.05; done
pkill -USR1 -P $job mpirun # of timeout
wait $job
code=$?
[ $code -eq 0 ] && [ "$(grep -c "^mgqe: interrupted by SIGUSR1: step" stderr)" -eq 1 ] && gone &&
  [ "$(ls run/checkpoints/*/rank-*-of-0002.safetensors | wc -l)" -eq 2 ]
ok=$?
[ $ok -ne 0 ] && { echo "exit code $code"; cat stderr; }
verdict $ok "SIGUSR1 leaves one checkpoint of all ranks and exit code 0"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
