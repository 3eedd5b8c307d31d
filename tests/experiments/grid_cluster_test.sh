#!/usr/bin/env bash
# The scripts that spread a grid over machines, with stand-ins for sbatch and ssh.
set -u
bin=$(realpath "${1:?build folder}")
source=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset MGQE_DATA_DIR
passed=0 failed=0
verdict() { # verdict OK NAME
  if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $2"; fi
}
refuse() { # refuse NAME PATTERN COMMAND...: exit code 2 and one line on stderr that matches
  local name=$1 pattern=$2
  shift 2
  "$@" >/dev/null 2>"$work/stderr"
  [ $? -eq 2 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -qE -- "$pattern" "$work/stderr"
  local ok=$?
  [ $ok -ne 0 ] && cat "$work/stderr"
  verdict $ok "$name"
}

# A tree as it stands on a cluster, and stand-ins that run at once what they are given.
tree="$work/a tree"
mkdir -p "$tree/experiments" "$tree/build" "$work/stand-ins"
cp -r "$source/experiments/cluster" "$tree/experiments/"
ln -s "$bin" "$tree/build/release"
cd "$tree" || exit 1
cat >tiny.json <<'JSON'
{"data": {"name": "synthetic", "synthetic_users": 100, "synthetic_items": 60, "synthetic_actions": 10},
 "train": {"epochs": 1}}
JSON
cat >"$work/stand-ins/sbatch" <<'SH'
#!/usr/bin/env bash
printf '%s\n' "$@" >"$0.words"
while [ "$1" != --wrap ]; do case $1 in --array=*) tasks=${1#*-}; tasks=${tasks##*-} ;; esac; shift; done
for _ in $(seq "$tasks"); do bash -c "$2" >>runs/slurm.log 2>&1 & done
wait
SH
cat >"$work/stand-ins/ssh" <<'SH'
#!/usr/bin/env bash
while [[ $1 == -* ]]; do [ "$1" = -o ] && shift; shift; done
echo "$1" >>"$0.hosts"
bash -c "$2"
SH
chmod +x "$work"/stand-ins/*
stored() { find "$1" -maxdepth 1 -name '*.json' | wc -l; }

PATH="$work/stand-ins:$PATH" experiments/cluster/grid_slurm.sh --cpu --tasks 3 --time 1:00 -- \
  figure2 --tasks gmf --only 'full|mgqe' --seeds 1..2 --store 'slurm runs' --config tiny.json >stdout 2>stderr
[ $? -eq 0 ] && [ "$(stored 'slurm runs')" -eq 20 ] && [ ! -e experiments/results ]
verdict $? "three array tasks make the grid together"
[ "$(grep -oE '[0-9]+ of them made now' runs/slurm.log | awk '{sum += $1} END {print sum}')" -eq 20 ]
verdict $? "each run once"
grep -qx -- '--array=1-3' "$work/stand-ins/sbatch.words" && ! grep -q gres "$work/stand-ins/sbatch.words"
verdict $? "as many tasks as asked for, on CPUs"
PATH="$work/stand-ins:$PATH" experiments/cluster/grid_slurm.sh --tasks 1 -- figure2 --list >/dev/null 2>&1
grep -qx -- '--gres=gpu:1' "$work/stand-ins/sbatch.words" && grep -q -- '--device cuda --no-report' "$work/stand-ins/sbatch.words"
verdict $? "a GPU a task by default"

PATH="$work/stand-ins:$PATH" experiments/cluster/grid_ssh.sh localhost:0 node-7:0 -- \
  figure2 --tasks gmf --only 'full|mgqe' --seeds 1..2 --store 'ssh runs' --config tiny.json >stdout 2>stderr
[ $? -eq 0 ] && [ "$(stored 'ssh runs')" -eq 20 ] && grep -qx "node-7-cpu: done" stdout && grep -qx node-7 "$work/stand-ins/ssh.hosts"
verdict $? "this machine and another make the grid together"
PATH="$work/stand-ins:$PATH" experiments/cluster/grid_ssh.sh node-7:0 -- figure2 --tasks nothing >stdout 2>stderr
[ $? -eq 1 ] && grep -q "^node-7-cpu: failed: figure2: --tasks nothing is unknown" stdout
verdict $? "what fails on a host is told with its last line"

refuse "slurm: no program" "name figure2, figure3 or ablation" experiments/cluster/grid_slurm.sh --tasks 2
refuse "slurm: no tasks" "--tasks 0: must be 1 or more" experiments/cluster/grid_slurm.sh --tasks 0 -- figure2
refuse "slurm: no sbatch" "sbatch is not here" env PATH=/usr/bin:/bin experiments/cluster/grid_slurm.sh -- figure2
refuse "ssh: no host" "at least one host" experiments/cluster/grid_ssh.sh -- figure2
refuse "ssh: no grid" "comes after --" experiments/cluster/grid_ssh.sh localhost:0
refuse "ssh: no GPU count" "HOST or HOST:GPUS" experiments/cluster/grid_ssh.sh localhost:many -- figure2
for script in experiments/cluster/grid_*.sh; do
  "$script" --help | grep -q "^example: "
  verdict $? "$script --help has an example"
done

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
