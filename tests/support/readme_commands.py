"""What READMEs say is so: every command is executed or stands in NOT_RUN with the reason, every option,
path, link and name of the code exists, every whole piece of C++ compiles.

usage: readme_commands.py BUILD_FOLDER [--list]

Commands are the lines of ```sh blocks, and those in backticks that begin with a program of this project or
one of LAUNCHERS and have arguments. They are executed in a copy of the tree beside BUILD_FOLDER, in the
order of the page, after SUBSTITUTIONS; a real data set is replaced by a tiny one of the same name and
format. Pages: every README.md, and the pages of experiments/results/ but for the report, which a program
writes.
"""
import glob
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SKIPPED = 77

PLACE = "takes minutes to hours; "
# Commands that are not executed, word for word, and why. One that no page has is a mistake too.
NOT_RUN = {
    "experiments/scripts/quickstart.sh":
        "installs packages and builds everything; what it runs is executed here, line by line",
    "tests/run.sh": "builds everything and runs every test, this one too",
    "cmake --preset release && cmake --build --preset release -j$(nproc)":
        "builds everything; .ci/run does so by tests/run.sh before any test",
    "cmake --preset simulated && cmake --build --preset simulated -j 2 && ctest --preset simulated -j 2":
        "builds everything once more; .ci/run does so",
    "CUDASIM_SEED=2 build/simulated/engine_test --gtest_filter='*Attention*/cuda'":
        "needs that build",
    "tests/fuzz/run.sh --seconds 900": PLACE + "fuzz_test replays the same targets",
    "ctest --test-dir build/release -L engine": "runs tests from a test; .ci/run runs them all by ctest",
    "build/release/figure2 --seeds 1..10": PLACE + "run small by grid_test",
    "build/release/figure3 --seeds 1..10": PLACE + "run small by grid_test",
    "build/release/ablation --seeds 1..10": PLACE + "run small by grid_test",
    "build/release/features --seeds 1..5": PLACE + "its programs are those of the other grids",
    "experiments/scripts/profile.sh timeline": "needs a GPU and Nsight Systems; profile_test has stand-ins",
    "experiments/scripts/profile.sh kernels --kernel assign":
        "needs a GPU and Nsight Compute; profile_test has stand-ins",
    "experiments/cluster/train_slurm.sh --nodes 4 --gpus 8 -- --data interactions.csv --batch 65536 "
    "--out /scratch/run": "needs Slurm; ranks_cli_test has a stand-in",
    "srun build/release/mgqe train --data ml-1m --out runs/mgqe --resume":
        "needs Slurm; resume_cli_test stops and resumes a run",
    "build/release/mgqe serve --artifact runs/mgqe/model.safetensors --port 8080":
        "serves until it is stopped; http_test starts it",
    "experiments/scripts/fetch_data.sh --flights": "downloads; fetch_data_test has a server",
    "pip install host/serve/python": "builds a library and installs it; python_wheel_test does",
    "apt-get install -y python3-torch": "installs a package",
    "experiments/baselines/compare_training.py --data ml-1m --python /usr/bin/python3 --threads 1 2 "
    "--optimizer adam sparse_adam --out experiments/results/training_speed_cpu.json":
        "needs PyTorch and quiet cores for an hour",
    "experiments/baselines/compare_training.py --data ml-1m --python /usr/bin/python3 --threads 2 "
    "--model sasrec --embedding full --optimizer adam --rounds 2 --steps 40 --baseline-steps 6 "
    "--baseline-warmup 1 --out experiments/results/training_speed_sasrec_cpu.json":
        "needs PyTorch and quiet cores for an hour",
    "experiments/baselines/compare_training.py --data frappe --python torch2/bin/python --threads 1 "
    "--model dcn dlrm --dim 16 --subspaces 8 --optimizer adam "
    "--out experiments/results/training_speed_click_cpu.json": "needs PyTorch and quiet cores",
    "python3 -m venv faiss && faiss/bin/pip install faiss-cpu": "installs a package",
    "experiments/baselines/compare_ops.py --torch /usr/bin/python3 --faiss faiss/bin/python --threads 1 2 "
    "--out experiments/results/ops_cpu.json": "needs PyTorch, faiss and quiet cores for an hour",
    "mgqe train --device cuda": "needs a GPU",
    "tests/train/kill_test.sh BUILD 50 SEED [2]": PLACE + "kill_test and ranks_kill_test do less of it",
    "tests/train/kill_test.sh build/release 50": PLACE + "kill_test does less of it",
    "tests/faults/faults_test.sh build/release 1": PLACE + "faults_test does a quarter of it",
    "tests/faults/kills_test.sh build/release 1000": PLACE + "kills_test does a twentieth of it",
    "tests/faults/machine_test.sh build/release": "is a test itself",
    "experiments/scripts/install_packages.sh --analysis": "installs packages",
    "cmake --preset tsan && cmake --build build/tsan -j 2 --target cpu_test io_test serve_test train_test mgqe":
        "builds everything once more",
    "build/tsan/cpu_test --gtest_filter='ThreadPool*'": "needs that build",
    "tests/coverage.sh": "builds everything once more",
    "tests/mutation.py --count 60": "builds everything, and something of it sixty times",
    "tests/coverage.sh --files 30 io": "builds everything once more",
    "tests/static_analysis.sh": PLACE + "no test depends on what the analysers of a machine say",
    "tests/static_analysis.sh --clang-tidy host/io": PLACE + "no test depends on it either",
    "cmake --install build/release": "writes outside this tree; install_test installs into a folder",
    "cmake --install build/release --prefix PREFIX": "install_test does, and builds a project against it",
}

# (pattern, replacement, why), one after the other, on what is executed.
SUBSTITUTIONS = [
    (r"^(mgqe|figure2|figure3|ablation|schemes|features|scaling|bench_data|bench_ops|bench_train) ", r"build/release/\1 ",
     "programs are named without their folder in running text"),
    (r"^(build/release/mgqe (?:train|evaluate|inspect|report|derive-relevance))$", r"\1 --help",
     "names a command and no more"),
    (r"--budget 15%", "--budget 60%", "tables of 60 rows, which codebooks alone would fill"),
    (r"--epochs \d+", "--epochs 1", "time"),
    (r"--seeds 1\.\.10", "--seeds 1..2", "time"),
    (r"(mgqe train (?!.*--epochs|.*--config|--help).*)", r"\1 --epochs 1", "time"),
    (r"(mgqe train (?!--help).*)", r"\1 --device cpu", "so that it is the same with a GPU in the machine"),
    (r"(bench_ops .*)", r"\1 --device cpu --samples 1 --batch 40 --table-rows 300 --sequences 2 --users 5",
     "time"),
    (r"(bench_train .*)", r"\1 --device cpu --steps 2 --warmup 1", "time"),
    (r"(bench_data .*)--samples \d+", r"\1--quick", "time"),
    (r"^mpirun -np 4", "mpirun -np 2", "machines of two cores"),
    (r"^((?:build/release/)?(?:figure2|figure3|ablation|schemes|features) (?!.*--(?:list|table|collect)).*)", r"\1 --list",
     "time; what the words choose is shown, and grid_test runs small grids"),
    (r"\bINTERACTIONS\b", "interactions.csv", "stands for a file"),
    (r"--out FILE\b", "--out relevance.txt", "stands for a file"),
]

PROGRAMS = ["mgqe", "figure2", "figure3", "ablation", "schemes", "features", "scaling", "bench_ops", "bench_train",
            "bench_serve", "bench_data"]
MGQE_COMMANDS = ["train", "evaluate", "inspect", "report", "describe", "derive-relevance", "prepare", "recommend", "similar", "lookup",
                 "verify", "histories", "serve", "convert", "append", "compact"]
LAUNCHERS = ["cmake", "ctest", "mpirun", "srun", "bash", "python3", "pip", "apt-get", "compute-sanitizer"]
ROOMS = "host|models|cuda|experiments|tests"
COMMAND = re.compile(rf"^(?:build/release/\S+|(?:{ROOMS})/\S+\.(?:sh|py)|(?:{'|'.join(LAUNCHERS)})"
                     rf"|(?:{'|'.join(PROGRAMS)})(?= +(?:-|help|{'|'.join(MGQE_COMMANDS)})))"
                     rf" +\S")
# Options of other programs that pages mention.
FOREIGN_OPTIONS = {"--requeue", "--signal", "--prefix", "--preset", "--build", "--install", "--test-dir",
                   "--gtest_filter", "--component"}


def pages(root):
    found = [p for p in glob.glob(os.path.join(root, "**", "README.md"), recursive=True)
             if not re.search(r"/build/|/\.", p[len(root):])]
    found += glob.glob(os.path.join(root, "experiments", "results", "*.md"))
    return sorted({os.path.relpath(p, root) for p in found} - {"experiments/results/report.md"})


def compile_cpp(text, tree):
    """Of each ```cpp block that leaves nothing out by "...", what the compiler says against it."""
    for block in re.findall(r"^```cpp\n(.*?)^```", text, flags=re.S | re.M):
        if "..." not in block:
            yield subprocess.run(["c++", "-std=c++20", "-fsyntax-only", "-xc++", "-", "-I", tree,
                                  "-I", os.path.join(tree, "include")],
                                 input=block, capture_output=True, text=True, check=False).stderr


def without_generated(text):
    """Without the tables that update_tables.sh fills in."""
    return re.sub(r"<!-- (\S+) -->.*?<!-- /\1 -->", "", text, flags=re.S)


def split_page(text):
    """(lines of sh blocks, text without blocks)"""
    blocks, prose, kind = [], [], None
    for line in text.split("\n"):
        if line.startswith("```"):
            kind = line[3:].strip() or "text" if kind is None else None
        elif kind is None:
            prose.append(line)
        elif kind == "sh":
            blocks.append(line)
    return blocks, "\n".join(prose)


def inline_code(prose):
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]


def shell_commands(lines):
    commands, begun = [], ""
    for line in lines:
        line = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if line.endswith("\\"):
            begun += line[:-1].strip() + " "
        elif begun or line.strip():
            commands.append((begun + line.strip()).strip())
            begun = ""
    return commands


def commands_of(text):
    """Those of sh blocks, then those in running text."""
    blocks, prose = split_page(text)
    found = shell_commands(blocks)
    return found + [code for code in inline_code(prose) if COMMAND.match(code)]


class Checker:
    def __init__(self, build):
        self.build = build
        self.failures = []
        self.help = self.all_help()
        self.code = self.all_code()

    def fail(self, page, message):
        self.failures.append(f"{page}: {message}")

    def all_help(self):
        """Every option that a program or script explains."""
        text = ""
        for program in PROGRAMS:
            path = os.path.join(self.build, program)
            arguments = [["help", c] for c in MGQE_COMMANDS]
            for words in arguments if program == "mgqe" else [["--help"]]:
                text += subprocess.run([path, *words], capture_output=True, text=True, check=True).stdout
        scripts = glob.glob(os.path.join(SOURCE, "experiments", "**", "*.*"), recursive=True)
        for name in scripts + glob.glob(os.path.join(SOURCE, "tests", "*.sh")):
            if name.endswith((".sh", ".py")):
                text += open(name, encoding="utf-8").read()
        return text

    def all_code(self):
        code = ""
        for room in ROOMS.split("|"):
            for folder, _, files in os.walk(os.path.join(SOURCE, room)):
                for name in files:
                    if name.endswith((".hpp", ".cpp", ".cu", ".cuh", ".h", ".py", ".cmake", "CMakeLists.txt")):
                        code += open(os.path.join(folder, name), encoding="utf-8").read()
        return code

    def check_options(self, page, codes):
        for code in codes:
            if code.startswith(("-D", "#")):
                continue
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", code):
                made_of = option[2:].replace("-", "_")  # compare_training.py makes options of a table
                if option not in FOREIGN_OPTIONS and f'"{made_of}"' not in self.help and \
                        not re.search(re.escape(option) + r"(?![\w-])", self.help):
                    self.fail(page, f"no program has the option {option}")

    def check_paths(self, page, codes, prose):
        beside = os.path.join(SOURCE, os.path.dirname(page))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
            if "://" not in target and not os.path.exists(os.path.join(beside, target)):
                self.fail(page, f"the link {target} leads nowhere")
        for code in codes:
            code = re.sub(r"--(?:out|json) \S+", "", code)  # what a command will write
            for word in re.findall(rf"(?<![\w./-])(?:{ROOMS}|build/release)/[\w./*<>-]*", code):
                if "<" in word or "ROOM" in word or re.search(r"\bmine\b", word):
                    continue  # stands for many, or for one that is yet to be written
                path = os.path.join(SOURCE, word)
                if room := re.fullmatch(r"build/release/(\w+)_test", word):
                    path = os.path.join(SOURCE, "tests", room.group(1))
                elif word.startswith("build/release/"):
                    path = os.path.join(self.build, word[len("build/release/"):])
                if not glob.glob(path.rstrip("/.")):
                    self.fail(page, f"there is no {word}")

    def check_names(self, page, codes):
        """Names of types and functions, as `Type`, `Type::member` or `function_name`."""
        for code in codes:
            if re.fullmatch(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*(?:::\w+)?", code):
                owner, _, member = code.partition("::")
                if not re.search(rf"\b{owner}\b", self.code):
                    self.fail(page, f"the code has no {owner}")
                elif member and not self.declares(owner, member):
                    self.fail(page, f"{owner} has no {member}")
            elif re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?:\(\))?", code):
                name = code.rstrip("()")
                known = re.search(rf"\b{name}\b", self.code) or re.search(rf"\b{name}\b", self.help)
                if not known and not glob.glob(os.path.join(SOURCE, "tests", "*", name + ".*")):
                    self.fail(page, f"the code has no {name}")

    def declares(self, owner, member):
        if re.search(rf"\b{owner}::{member}\b", self.code):
            return True
        body = re.search(rf"\b(?:class|struct) {owner}\b[^;{{]*{{(.*?)\n}};", self.code, re.S)
        return body is not None and re.search(rf"\b{member}\(", body.group(1)) is not None

    def read(self, page):
        return without_generated(open(os.path.join(SOURCE, page), encoding="utf-8").read())

    def check_page(self, page):
        text = self.read(page)
        blocks, prose = split_page(text)
        codes = inline_code(prose)
        self.check_options(page, codes + shell_commands(blocks))
        self.check_paths(page, codes + shell_commands(blocks), prose)
        self.check_names(page, codes)
        return commands_of(text)


def substituted(command):
    for pattern, replacement, _ in SUBSTITUTIONS:
        command = re.sub(pattern, replacement, command)
    return command


def make_tree(build, tree):
    for name in os.listdir(SOURCE):
        path = os.path.join(SOURCE, name)
        if name in ("build", ".git", "data", "runs", "shared") or name.startswith(".git"):
            continue
        copy = shutil.copytree if os.path.isdir(path) else shutil.copy
        copy(path, os.path.join(tree, name))
    os.makedirs(os.path.join(tree, "build"))
    os.symlink(build, os.path.join(tree, "build", "release"))
    os.makedirs(os.path.join(tree, "include"))
    os.symlink(tree, os.path.join(tree, "include", "mgqe"))  # as it is installed


def make_data(tree):
    """Tiny data sets: 60 users with 12 actions each on 80 items, as MovieLens' ratings, as CSV, and scores of
    item pairs as Steam's; rows with many columns; and a float table of 300 rows."""
    draw = random.Random(1)
    actions = [(user, 1 + int(80 * draw.random() ** 2), time) for user in range(1, 61) for time in range(12)]
    actions = list({(user, item): (user, item, time) for user, item, time in actions}.values())
    os.makedirs(os.path.join(tree, "data", "ml-1m"))
    with open(os.path.join(tree, "data", "ml-1m", "ratings.dat"), "w", encoding="utf-8") as file:
        file.writelines(f"{user}::{item}::5::{time}\n" for user, item, time in actions)
    with open(os.path.join(tree, "interactions.csv"), "w", encoding="utf-8") as file:
        file.write("user,item,rating,timestamp\n")
        file.writelines(f"{user},{item},5,{time}\n" for user, item, time in actions)
    with open(os.path.join(tree, "clicks.csv"), "w", encoding="utf-8") as file:
        file.write("clicked,user,price,tags\n")
        file.writelines(f"{n % 2},{n % 7},{n / 3},a{n % 3} b{n % 5}\n" for n in range(200))
    os.makedirs(os.path.join(tree, "data", "flights"))
    with open(os.path.join(tree, "data", "flights", "flights.csv"), "w", encoding="utf-8") as file:
        file.write("year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,"
                   "flight,tailnum,origin,dest,air_time,distance,hour,minute,time_hour\n")
        file.writelines(f"2013,{1 + n % 12},{1 + n % 28},517,{n},2,830,{n + 99},{n % 40},UA,{n % 9},N{n % 5},EWR,IAH,"
                        f"227,{n * 10},5,15,2013\n" for n in range(200))
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 16), }"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(os.path.join(tree, "items.npy"), "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.write(struct.pack("<4800f", *(draw.gauss(0, 1) for _ in range(4800))))


def execute(command, tree):
    environment = {k: v for k, v in os.environ.items() if k not in ("MGQE_DATA_DIR", "MAKEFLAGS")}
    environment |= {"MGQE_DATA_DIR": os.path.join(tree, "data"), "OMP_NUM_THREADS": "1",
                    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                    "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
                    "ASAN_OPTIONS": "detect_leaks=0"}  # Open MPI leaks at its end
    process = subprocess.Popen(["bash", "-c", command], cwd=tree, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = process.communicate(timeout=120)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return "took more than two minutes: shorten it in SUBSTITUTIONS, or give the reason in NOT_RUN"
    if process.returncode != 0:
        return f"exit code {process.returncode}\n" + "\n".join(said.splitlines()[-8:])
    return ""


def main():
    build = os.path.abspath(sys.argv[1])
    missing = [p for p in [*PROGRAMS, "packed_test"] if not os.access(os.path.join(build, p), os.X_OK)]
    if missing:
        print(f"skipped: not built here: {', '.join(missing)}")
        return SKIPPED
    checker = Checker(build)
    named = {page: checker.check_page(page) for page in pages(SOURCE)}
    known = {command for commands in named.values() for command in commands}
    for command in NOT_RUN.keys() - known:
        checker.fail("readme_commands.py", f"NOT_RUN lists what no page has: {command}")
    executed = set()
    with tempfile.TemporaryDirectory(prefix="readme_commands_") as tree:
        make_tree(build, tree)
        make_data(tree)
        for page, commands in named.items():
            for complaint in filter(None, compile_cpp(checker.read(page), tree)):
                checker.fail(page, "a piece of C++ does not compile:\n" + complaint[:800])
            for command in commands:
                short = substituted(command)
                if command in NOT_RUN or short in executed:
                    continue
                if "--list" in sys.argv:
                    print(f"{page}: {short}")
                    continue
                executed.add(short)
                if complaint := execute(short, tree):
                    as_run = "" if short == command else f"\n  as {short}"
                    checker.fail(page, f"{command}{as_run}\n  {complaint}")
    for failure in checker.failures:
        print(f"FAILED: {failure}")
    print(f"{len(named)} pages, {len(executed)} commands executed, {len(NOT_RUN)} listed, "
          f"{len(checker.failures)} failures")
    return 1 if checker.failures else 0


if __name__ == "__main__":
    sys.exit(main())
