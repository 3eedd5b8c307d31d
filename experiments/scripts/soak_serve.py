#!/usr/bin/env python3
"""`mgqe serve` under load, by Python's standard library and the mgqe package.

First users/s of the library itself (--concurrency processes that call recommend) and of the service
(as many connections that are kept open), in turns, the same users, k and users a request. Then, for
--minutes: recommendations of one user and of many, similar items, look-ups and requests that have to
be refused, from as many connections, while the artifact is replaced by rename again and again. Every
answer has to be that of one of the two artifacts. Ends with 1 where any was not, or none came.

  experiments/scripts/soak_serve.py --build build/release --artifact runs/a/model.safetensors
  experiments/scripts/soak_serve.py --artifact A --other B --minutes 2 --json soak.json

--other: another artifact of the same users and items, which takes turns with the first.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parse():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--artifact", type=pathlib.Path, required=True)
    parser.add_argument("--other", type=pathlib.Path)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 16], help="a request")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3, help="in which library and service take turns")
    parser.add_argument("--beside", default="", help="what else the machine did, for the record")
    parser.add_argument("--json", type=pathlib.Path, help="write the record to this file")
    return parser.parse_args()


class Service:
    def __init__(self, mgqe, artifact):
        self.process = subprocess.Popen([mgqe, "serve", "--artifact", artifact, "--port", "0"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"on http://127\.0\.0\.1:(\d+)$", line.strip())
        if not found:
            sys.exit(f"soak_serve.py: the service did not begin: {line!r}")
        self.port = int(found[1])

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def end(self):
        self.process.terminate()
        return self.process.wait(30)


class Connection:
    """HTTP/1.1 by hand: Python's own client takes longer for a request than the service does."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def ask(self, request):
        self.socket.sendall(request)
        data = self.rest
        while b"\r\n\r\n" not in data:
            data += self.more()
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        while len(body) < length:
            body += self.more()
        self.rest = body[length:]
        return int(head[9:12]), body[:length]

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the service closed the connection")
        return data


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path, value):
    body = json.dumps(value)
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


def recommend(users, k):
    return get(f"/recommend?user={users[0]}&k={k}") if len(users) == 1 else post(
        "/recommend", {"users": [int(user) for user in users], "k": k})


def in_threads(count, work):
    """work(i, stop) in each; returns what they return."""
    results, threads = [None] * count, []

    def run(i):
        results[i] = work(i)

    for i in range(count):
        threads.append(threading.Thread(target=run, args=(i,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return results


def per_second(args, caller):
    """Users/s of --concurrency processes, each with a call of its own: caller(i)() asks for as many
    users as it returns. Processes, for threads of Python take turns where they should not."""
    fork = multiprocessing.get_context("fork")
    ready, done = fork.Barrier(args.concurrency), fork.Queue()

    def work(i):
        call, users = caller(i), 0
        call()
        ready.wait()
        began = time.perf_counter()
        while (lasted := time.perf_counter() - began) < args.seconds:
            users += call()
        done.put(users / lasted)

    processes = [fork.Process(target=work, args=(i,)) for i in range(args.concurrency)]
    for process in processes:
        process.start()
    speeds = [done.get(timeout=60 + 10 * args.seconds) for _ in processes]
    for process in processes:
        process.join()
    return sum(speeds)


def throughput(args, mgqe, service, ids, count):
    def groups(i):
        order = random.Random(i).sample(range(len(ids)), k=min(len(ids), 64 * count))
        return [[ids[at] for at in order[first:first + count]]
                for first in range(0, len(order) - count + 1, count)]

    def of_library(i):
        model, turns = mgqe.open(args.artifact, prepare=True), itertools.cycle(groups(i))

        def call():
            model.ids_of(model.recommend(next(turns), k=args.k, by="id").rows)
            return count
        return call

    def of_service(i):
        connection = Connection(service.port)
        turns = itertools.cycle([recommend(users, args.k) for users in groups(i)])

        def call():
            status, body = connection.ask(next(turns))
            if status != 200:
                sys.exit(f"soak_serve.py: {status}: {body[:200]}")
            return count
        return call

    rounds = [(per_second(args, of_library), per_second(args, of_service)) for _ in range(args.rounds)]
    library, served = (sorted(each)[len(rounds) // 2] for each in zip(*rounds))
    return {"users_a_request": count, "library_users_per_second": library,
            "service_users_per_second": served, "share": served / library}


class Soak:
    def __init__(self, args, models, service, users, items):
        self.args, self.service, self.users, self.items = args, service, users, items
        self.expected = []  # (request, statuses, [answers]) that may come
        chosen = random.Random(5)
        for count in (1, 1, 1, 8):
            for _ in range(8):
                who = chosen.sample(users, k=min(count, len(users)))
                lists = [self.lists(model.recommend(who, k=args.k, by="id"), model) for model in models]
                self.expected.append((recommend(who, args.k), 200, lists))
        for item in chosen.sample(items, k=8):
            lists = [self.lists(model.similar([item], k=5, given="id"), model) for model in models]
            self.expected.append((get(f"/similar?item={item}&k=5"), 200, lists))
            self.expected.append((get(f"/lookup?table=item&ids={item}"), 200, None))
        self.expected.append((get("/recommend?user=no-such-user"), 404, None))
        self.expected.append((get(f"/recommend?user={users[0]}&k=0"), 400, None))
        self.expected.append((post("/recommend", {"users": "x"}), 400, None))
        self.expected.append((get("/health"), 200, None))

    @staticmethod
    def lists(found, model):
        return [[str(id) for id in model.ids_of(rows[:count])]
                for rows, count in zip(found.rows, found.counts)]

    def answer(self, body):
        value = json.loads(body)
        results = value["results"] if "results" in value else [value]
        return [[str(item.get("id", item.get("item"))) for item in one["items"]] for one in results]

    def client(self, i):
        chosen, seconds, faults = random.Random(100 + i), [], []
        connection = Connection(self.service.port)
        while time.perf_counter() < self.until and len(faults) < 5:
            request, status, lists = chosen.choice(self.expected)
            began = time.perf_counter()
            try:
                got, body = connection.ask(request)
            except OSError as error:
                faults.append(f"{request[:60]!r}: {error}")
                connection = Connection(self.service.port)
                continue
            seconds.append(time.perf_counter() - began)
            if got != status:
                faults.append(f"{request[:60]!r}: {got} instead of {status}: {body[:100]!r}")
            elif lists is not None and self.answer(body) not in lists:
                faults.append(f"{request[:60]!r}: an answer that neither artifact gives: {body[:200]!r}")
        return seconds, faults

    def run(self, paths, served):
        self.until = time.perf_counter() + 60 * self.args.minutes
        resident, swaps = self.service.resident_mib(), 0
        results = []
        clients = threading.Thread(
            target=lambda: results.extend(in_threads(self.args.concurrency, self.client)))
        clients.start()
        while clients.is_alive():
            clients.join(2.5)
            swaps += 1
            aside = served.with_name("aside")
            shutil.copyfile(paths[swaps % len(paths)], aside)
            os.replace(aside, served)
        seconds = sorted(second for each, _ in results for second in each)
        faults = [fault for _, each in results for fault in each]
        return {"minutes": self.args.minutes, "requests": len(seconds), "faults": len(faults),
                "first_faults": faults[:5], "replaced": swaps,
                "p50_ms": 1e3 * seconds[len(seconds) // 2] if seconds else None,
                "p99_ms": 1e3 * seconds[int(0.99 * len(seconds))] if seconds else None,
                "resident_mib_before": resident, "resident_mib_after": self.service.resident_mib()}


def main():
    args = parse()
    os.environ["MGQE_LIBRARY"] = str(args.build.resolve() / "libmgqe_serve.so")
    sys.path.insert(0, str(ROOT / "host" / "serve" / "python"))
    import mgqe

    paths = [args.artifact, args.other or args.artifact]
    models = [mgqe.open(path, prepare=True) for path in paths]
    users, items = ([id.item() if hasattr(id, "item") else id
                     for id in models[0].ids_of(range(min(10_000, rows_of(models[0], entity))), entity)]
                    for entity in ("user", "item"))
    with tempfile.TemporaryDirectory() as folder:
        served = pathlib.Path(folder) / "model.safetensors"
        shutil.copyfile(args.artifact, served)
        service = Service(args.build / "mgqe", served)
        speeds = [throughput(args, mgqe, service, users, count) for count in args.users]
        soak = Soak(args, models, service, users, items).run(paths, served) if args.minutes > 0 else None
        code = service.end()
    commit = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                            capture_output=True, text=True).stdout.strip()
    record = {"command": " ".join(["soak_serve.py", *sys.argv[1:]]), "commit": commit,
              "device": processor(), "cores": os.cpu_count(), "concurrency": args.concurrency,
              "items": rows_of(models[0], "item"), "k": args.k, "beside": args.beside,
              "throughput": speeds, "soak": soak, "exit_code": code}
    print(json.dumps(record, indent=1))
    if args.json:
        part = args.json.with_name(args.json.name + ".part")
        part.write_text(json.dumps(record, indent=1) + "\n")
        part.replace(args.json)
    return 1 if code != 0 or (soak is not None and (soak["faults"] or not soak["requests"])) else 0


def rows_of(model, entity):
    return next(table.rows for table in model.tables.values() if table.entity == entity)


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


if __name__ == "__main__":
    sys.exit(main())
