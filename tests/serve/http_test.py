"""The HTTP service: what each endpoint answers, what is refused and how, limits, slow clients, files
that are replaced while it answers, and its end. Of Python's standard library alone.

usage: http_test.py MGQE
"""
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

mgqe = sys.argv[1]
work = tempfile.mkdtemp()
passed = failed = 0
environment = {**os.environ, "OMP_NUM_THREADS": "1"}


def check(name, good, *shown):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAILED:", name, *shown, flush=True)


def run(*words):
    done = subprocess.run([mgqe, *words], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{words}: {done.stderr}")
    return done.stdout


class Service:
    def __init__(self, artifact, *words):
        self.log = open(f"{work}/log", "ab+")
        self.start = self.log.tell()
        self.process = subprocess.Popen([mgqe, "serve", "--artifact", artifact, "--port", "0", *words],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        line = self.process.stdout.readline()
        found = re.search(r"on http://127.0.0.1:(\d+)$", line.strip())
        if not found:
            sys.exit(f"serve says: {line!r} {self.said()}")
        self.port = int(found[1])

    def said(self):
        self.log.flush()
        return open(f"{work}/log", "rb").read()[self.start:].decode()

    def connect(self, timeout=30):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        mine = connection or self.connect()
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        mine.request(method, path, body, headers)
        response = mine.getresponse()
        text = response.read().decode()
        if connection is None:
            mine.close()
        kind = response.getheader("Content-Type", "")
        # parse_constant: JSON knows no NaN.
        value = json.loads(text, parse_constant=lambda name: 1 / 0) if kind == "application/json" else text
        return response.status, value, response

    def get(self, path):
        return self.ask("GET", path)[:2]

    def post(self, path, body):
        return self.ask("POST", path, body)[:2]

    def raw(self, data, timeout=15):
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as sock:
            sock.sendall(data)
            received = b""
            while part := sock.recv(65536):
                received += part
        return received.decode()

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.rsplit(" ", 1)[0] == name:
                return float(line.rsplit(" ", 1)[1])
        return 0.0

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=30)


def replace(source, target):
    shutil.copy(source, target + ".new")
    os.rename(target + ".new", target)


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


# ---- models -------------------------------------------------------------------------------------

synthetic = ["--data", "synthetic", "--synthetic-users", "200", "--synthetic-items", "150",
             "--synthetic-actions", "15", "--device", "cpu", "--dim", "16", "--epochs", "1"]
coded = ["--subspaces", "4", "--centroids", "16,4"]
run("train", *synthetic, *coded, "--seed", "1", "--out", f"{work}/one")
run("train", *synthetic, *coded, "--seed", "2", "--out", f"{work}/two")
run("train", *synthetic, "--embedding", "full", "--out", f"{work}/full")
run("train", *synthetic, *coded, "--model", "sasrec", "--max-length", "10", "--out", f"{work}/sasrec")
one, two, full, sasrec = (f"{work}/{name}/model.safetensors" for name in ("one", "two", "full", "sasrec"))
histories = f"{work}/histories"
run("histories", "--artifact", one, "--out", histories)
served = f"{work}/served.safetensors"
replace(one, served)
with open(f"{work}/titles.tsv", "w") as file:
    for item in range(0, 150):
        file.write(f"{item}\tThe <b>\"{item}\"</b> & more\n")


def lists(artifact, *words):
    printed = json.loads(run("recommend", "--artifact", artifact, "--json", *words))
    return [[(i["item"], i["score"]) for i in result["items"]] for result in printed["results"]]


def items(result):
    return [(i["item"], i["score"]) for i in result["items"]]


# ---- endpoints ----------------------------------------------------------------------------------

service = Service(served, "--histories", histories, "--titles", f"{work}/titles.tsv", "--full", full,
                  "--max-k", "100", "--max-users", "8", "--max-body", "4096")
users = service.get("/health")[1]["examples"]
user = users[3]
seen = ["--exclude", "seen", "--histories", histories]
status, answer = service.get(f"/recommend?user={user}&k=7&exclude=seen")
check("recommend by GET is what the command says",
      status == 200 and [items(r) for r in answer["results"]] == lists(one, "--user", str(user), "--k", "7", *seen), answer)
check("titles are told", answer["results"][0]["items"][0]["title"].startswith("The <b>\""))
status, answer = service.post("/recommend", {"users": users[:5], "k": 9, "exclude": "seen"})
check("recommend by POST, several users",
      status == 200 and [items(r) for r in answer["results"]] ==
      lists(one, "--user", *map(str, users[:5]), "--k", "9", *seen) and
      [r["user"] for r in answer["results"]] == users[:5], answer)
best = [item for item, _ in lists(one, "--user", str(user), "--k", "20")[0]]
status, answer = service.post("/recommend", {"user": user, "k": 5, "block": best[:3]})
check("block", status == 200 and [i for i, _ in items(answer["results"][0])] == best[3:8], answer)
status, answer = service.get(f"/recommend?user={user}&allow={best[4]},{best[2]}&k=5")
check("allow, and a list shorter than k", [i for i, _ in items(answer["results"][0])] == [best[2], best[4]], answer)
status, answer = service.post("/recommend", {"user": user, "allow": [], "k": 5})
check("an allow list of none lets nothing in", status == 200 and answer["results"][0]["items"] == [], answer)
status, answer = service.get(f"/recommend?user={user}&k=5&model=full")
check("the full table beside", [items(r) for r in answer["results"]] == lists(full, "--user", str(user), "--k", "5"), answer)
status, answer = service.get("/recommend?user=3&k=2&by_row=true")
check("by row", items(answer["results"][0]) == lists(one, "--user", "3", "--k", "2", "--by-row")[0], answer)
status, answer = service.post("/recommend", {"users": [users[0], 10**9], "missing": "skip"})
check("unknown users are left out on request", status == 200 and answer["skipped"] == 1 and len(answer["results"]) == 1)
status, answer = service.get(f"/lookup?table=item&ids={best[0]},{best[1]}")
printed = json.loads(run("lookup", "--artifact", one, "--table", "item", "--ids", f"{best[0]},{best[1]}", "--json"))
check("lookup", status == 200 and answer["rows"] == printed["rows"], answer)
status, answer = service.post("/lookup", {"rows": [0, 149]})
check("lookup by row", status == 200 and [r["row"] for r in answer["rows"]] == [0, 149] and answer["dim"] == 16)
status, answer = service.get(f"/similar?item={best[0]}&k=4")
printed = json.loads(run("similar", "--artifact", one, "--item", str(best[0]), "--k", "4", "--json"))
check("similar", status == 200 and items(answer) == items(printed), answer)
status, answer = service.get(f"/history?user={user}&k=3")
check("history, latest first", status == 200 and len(answer["items"]) == 3 and answer["total"] > 3 and
      not {i["item"] for i in answer["items"]} & {i for i, _ in lists(one, "--user", str(user), "--k", "150", *seen)[0]})
status, answer = service.get("/health")
check("health", status == 200 and answer["status"] == "ok" and answer["served"]["tables"]["item"]["rows"] == 150 and
      answer["full"]["tables"]["item"]["scheme"] == "full" and answer["users"] == 200)
status, page, response = service.ask("GET", "/")
check("the page", status == 200 and "<!doctype html>" in page and page.rstrip().endswith("</html>") and
      "default-src 'none'" in response.getheader("Content-Security-Policy"))
check("the page asks nothing of elsewhere", not re.search(r"https?://|//[a-z]+\.|@import|url\(", page))
status, text = service.get("/metrics")
check("metrics", status == 200 and 'mgqe_table_rows{model="served",table="item"} 150' in text and
      service.metric('mgqe_requests_total{endpoint="/recommend",code="200"}') == 8 and
      service.metric('mgqe_request_seconds_count{endpoint="/recommend"}') == 8, text)
lines = [line for line in text.splitlines() if not line.startswith("#")]
check("metrics are Prometheus text", all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+', line) for line in lines), lines)
buckets = [float(l.split()[-1]) for l in lines if l.startswith('mgqe_request_seconds_bucket{endpoint="/recommend"')]
check("histogram buckets are cumulative", buckets == sorted(buckets) and buckets[-1] == 8)

# ---- what is refused ----------------------------------------------------------------------------


def refused(name, status, pattern, path, body=None, method=None, headers=None):
    got, answer, response = service.ask(method or ("GET" if body is None else "POST"), path, body, headers)
    good = got == status and isinstance(answer, dict) and set(answer) == {"error"} and re.search(pattern, answer["error"])
    check(name, good, got, answer)
    return response


ask = f"/recommend?user={user}"
refused("unknown path", 404, "no such path", "/recommendations")
refused("a path into the file system", 404, "no such path", "/../../etc/passwd")
refused("an encoded path into the file system", 404, "no such path", "/%2e%2e/%2e%2e/etc/passwd")
check("405 says what is allowed", refused("wrong method", 405, "/recommend is not for DELETE", "/recommend", method="DELETE")
      .getheader("Allow") == "GET, POST")
refused("POST of health", 405, "/health is not for POST", "/health", {})
refused("GET of reload", 405, "/reload is not for GET", "/reload")
refused("unknown parameter", 400, "unknown parameter frobnicate: known here are user,", ask + "&frobnicate=1")
refused("unknown member", 400, "unknown parameter artifact", "/recommend", {"user": user, "artifact": "/etc/passwd"})
refused("a parameter twice", 400, "k is given twice", ask + "&k=1&k=2")
for k in ("0", "-1", "101", "1e1", "ten", "5.0", "+5", " 5", "", "99999999999999999999"):
    refused(f"k={k}", 400, "k: a whole number from 1 to 100 belongs", ask + "&k=" + k.replace(" ", "%20").replace("+", "%2B"))
for k in (0, 101, 5.5, "5", None, [5], True, 10**30, -1e308):
    refused(f"k: {k}", 400, "k: a whole number from 1 to 100 belongs", "/recommend", {"user": user, "k": k})
refused("nobody asked", 400, "give one of user, users and history", "/recommend")
refused("two askers", 400, "give one of user, users and history", ask + "&users=1")
refused("unknown user", 404, "no user 987654321 among", "/recommend?user=987654321")
refused("unknown item", 404, "no item 987654321 among", ask + "&block=987654321")
refused("a user that is a list", 400, "user: an id is a whole number or a text", "/recommend", {"user": [1]})
refused("users that are no list", 400, "users: a list of ids", "/recommend", {"users": 1})
refused("too many users", 400, "users: more than 8", "/recommend", {"users": users[:9]})
refused("an empty id", 400, "users: an id is empty", "/recommend?users=1,,2")
refused("a history for gmf", 400, "gmf model knows its users", f"/recommend?history={best[0]}")
refused("exclude of what", 400, "exclude: seen or none", ask + "&exclude=/etc/passwd")
refused("a flag that is none", 400, "by_row: true or false", ask + "&by_row=maybe")
refused("a model that is none", 400, "model: served or full", ask + "&model=other")
refused("a shortlist of gmf", 400, "shortlist is for models", ask + "&shortlist=10")
refused("no table", 404, "no table items: the model has item, user", "/lookup?table=items&rows=0")
refused("no row", 404, "no item row 150", "/lookup?table=item&rows=150")
refused("a row that is none", 404, "no item row -1", "/lookup?rows=-1")
refused("rows and ids", 400, "give one of ids and rows", "/lookup?rows=0&ids=1")
refused("similar to what", 400, "parameter item is missing", "/similar")
refused("similar by what", 400, "by euclid is unknown", f"/similar?item={best[0]}&by=euclid")
refused("similar by the model", 400, "only a relevance model", f"/similar?item={best[0]}&by=model")
refused("a body that is no JSON", 400, "not JSON", "/recommend", "{user: 1}")
refused("a body that is no object", 400, "no object", "/recommend", "[1]")
refused("NaN is no JSON", 400, "not JSON", "/recommend", '{"user": NaN}')
for count in (65, 1900):
    refused("a deep body", 400, "nests deeper than 64", "/recommend", '{"user": ' + "[" * count + "]" * count + "}")
refused("parameters of a POST", 400, "belong in its body", "/recommend?k=5", {"user": user})
refused("a body of another type", 415, "Content-Type: application/json", "/recommend", "user=1",
        headers={"Content-Type": "application/x-www-form-urlencoded"})
refused("a body of parts", 415, "Content-Type: application/json", "/recommend", "--x--",
        headers={"Content-Type": "multipart/form-data; boundary=x"})
refused("a body too large", 413, "over 4096 bytes", "/recommend", '{"user": 1' + " " * 5000 + "}")
refused("a compressed body", 415, "compressed", "/recommend", b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
refused("a body in chunks", 411, "Content-Length", "/recommend", b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
refused("a head too large", 431, "over 16384 bytes", "/health", headers={"X-Large": "x" * 20000})
refused("a reload asked for by a page", 403, "on the machine itself", "/reload", b"", headers={"Origin": "http://evil.example"})
refused("a reload through a proxy", 403, "on the machine itself", "/reload", b"", headers={"X-Forwarded-For": "10.0.0.1"})
for name, status, data in (
        ("not HTTP", "", b"hello\r\n\r\n"),
        ("two lengths", "400", b"POST /recommend HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        ("a length of sign", "400", b"POST /recommend HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}"),
        ("a length beyond numbers", "413", b"POST /recommend HTTP/1.1\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n"),
        ("a bare line feed", "400", b"GET /health HTTP/1.1\r\nA: b\nC: d\r\n\r\n"),
        ("a folded header", "400", b"GET /health HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        ("a NUL", "400", b"GET /health HTTP/1.1\r\nA: \0\r\n\r\n")):
    received = service.raw(data)
    check(name, f"HTTP/1.1 {status or 400}" in received and '"error"' in received, received)
ranges = ",".join("0-" for _ in range(2000))
status, answer, response = service.ask("GET", "/health", headers={"Range": "bytes=" + ranges})
check("ranges are not looked at", status == 200 and answer["status"] == "ok")
two_at_once = service.raw(b"GET /health HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\nConnection: close\r\n\r\n")
check("requests sent together are answered in turn", two_at_once.count("HTTP/1.1 200") == 2, two_at_once[:200])
body = json.dumps({"user": user}).encode()
with socket.create_connection(("127.0.0.1", service.port), timeout=10) as sock:
    sock.sendall(b"POST /recommend HTTP/1.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
                 b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    interim = sock.recv(100)
    sock.sendall(body)
    final = b""
    while part := sock.recv(65536):
        final += part
check("100-continue", interim.startswith(b"HTTP/1.1 100") and final.startswith(b"HTTP/1.1 200"), interim, final[:100])
with socket.create_connection(("127.0.0.1", service.port), timeout=10) as sock:
    sock.sendall(b"HEAD /health HTTP/1.1\r\nConnection: close\r\n\r\n")
    head = b""
    while part := sock.recv(65536):
        head += part
check("HEAD has no body", head.startswith(b"HTTP/1.1 200") and head.endswith(b"\r\n\r\n"), head)
connection = service.connect()
check("one connection serves many requests",
      all(service.ask("GET", ask, connection=connection)[0] == 200 for _ in range(50)))
connection.close()

# ---- files that are replaced --------------------------------------------------------------------

ask = f"/recommend?user={user}&k=10&exclude=seen"
of_one = lists(one, "--user", str(user), "--k", "10", *seen)[0]
of_two = lists(two, "--user", str(user), "--k", "10", *seen)[0]
check("the two models differ", of_one != of_two)
stop = threading.Event()


def client(_):
    connection, answers, wrong = service.connect(), 0, []
    while not stop.is_set():
        status, answer, _ = service.ask("GET", ask, connection=connection)
        answers += 1
        if status != 200 or items(answer["results"][0]) not in (of_one, of_two):
            wrong.append((status, answer))
    connection.close()
    return answers, wrong


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    clients = [pool.submit(client, c) for c in range(4)]
    for source, expected in ((two, of_two), (one, of_one)) * 3:
        replace(source, served)
        check("a replaced file is taken over under load",
              until(lambda: items(service.get(ask)[1]["results"][0]) == expected))
    with open(f"{work}/bad", "wb") as file:
        file.write(open(two, "rb").read()[:-1] + b"!")
    before = service.metric('mgqe_reloads_total{result="refused"}')
    replace(f"{work}/bad", served)
    check("a bad file is refused", until(lambda: service.metric('mgqe_reloads_total{result="refused"}') == before + 1))
    time.sleep(2.5)
    check("and not tried again", service.metric('mgqe_reloads_total{result="refused"}') == before + 1)
    check("and what was served goes on", items(service.get(ask)[1]["results"][0]) == of_one)
    check("and the log says why", "what was served goes on" in service.said() and "served.safetensors" in service.said(), service.said())
    refused("a reload of a bad file", 500, "what was served goes on", "/reload", b"")
    os.remove(served)
    check("a file that is gone is refused", until(lambda: service.metric('mgqe_reloads_total{result="refused"}') == before + 3))
    replace(two, served)
    check("the next good one is taken", until(lambda: items(service.get(ask)[1]["results"][0]) == of_two))
    taken = service.metric('mgqe_reloads_total{result="taken"}')
    status, answer = service.post("/reload", b"")
    check("a reload on request", status == 200 and answer == {"reloaded": True} and
          service.metric('mgqe_reloads_total{result="taken"}') == taken + 1)
    stop.set()
    for future in clients:
        answers, wrong = future.result()
        check("answers under reload are of the one model or the other", answers > 0 and not wrong, wrong[:1])

# ---- slow clients -------------------------------------------------------------------------------

# More of them than there are threads: each sends a byte now and then, or nothing, or takes nothing.
slow = []
for i in range(400):
    sock = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    sock.sendall((b"", b"GET /hea", b"POST /recommend HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")[i % 3])
    slow.append(sock)
times = []
for i in range(60):
    for sock in slow[i::60]:
        try:
            sock.send(b" ")
        except OSError:
            pass
    began = time.monotonic()
    status, _ = service.get(ask)
    times.append(time.monotonic() - began)
    check("answered beside 400 slow clients", status == 200)
check("and soon", sorted(times)[len(times) // 2] < 1 and max(times) < 5, sorted(times)[-5:])
began = time.monotonic()
late = socket.create_connection(("127.0.0.1", service.port), timeout=30)
late.sendall(b"GET /health HTTP/1.1\r\n")
received = b""
try:
    for _ in range(200):
        late.sendall(b"X")
        late.settimeout(0.1)
        try:
            received += late.recv(4096)
            break
        except TimeoutError:
            pass
except OSError:
    pass
check("a request that trickles in is ended", 5 < time.monotonic() - began < 15 and b"408" in received,
      time.monotonic() - began, received)
for sock in slow + [late]:
    sock.close()

# ---- the end ------------------------------------------------------------------------------------

half = socket.create_connection(("127.0.0.1", service.port), timeout=30)
half.sendall(b"POST /recommend HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:5])
time.sleep(0.3)
service.process.send_signal(signal.SIGTERM)
time.sleep(0.3)
half.sendall(body[5:])
received = b""
while part := half.recv(65536):
    received += part
check("a request under way at SIGTERM is answered", received.startswith(b"HTTP/1.1 200"), received[:200])
began = time.monotonic()
check("SIGTERM ends it with 0", service.end() == 0 and time.monotonic() - began < 5, service.process.returncode)
try:
    socket.create_connection(("127.0.0.1", service.port), timeout=2)
    check("nobody listens afterwards", False)
except OSError:
    check("nobody listens afterwards", True)

# ---- histories, concurrency, ports --------------------------------------------------------------

history_file = f"{work}/sasrec.histories"
run("histories", "--artifact", sasrec, "--out", history_file)
service = Service(sasrec, "--histories", history_file, "--max-concurrency", "1")
status, answer = service.get(f"/recommend?user={user}&k=5&exclude=seen")
check("sasrec by a stored history", status == 200 and items(answer["results"][0]) ==
      lists(sasrec, "--user", str(user), "--k", "5", "--exclude", "seen", "--histories", history_file)[0], answer)
history = [best[0], best[1], best[5]]
status, answer = service.post("/recommend", {"history": history, "k": 5, "exclude": "seen"})
check("sasrec by a history given now", status == 200 and items(answer["results"][0]) ==
      lists(sasrec, "--history", ",".join(map(str, history)), "--k", "5", "--exclude", "seen")[0] and
      "user" not in answer["results"][0], answer)
refused("an empty history", 400, "history is empty", "/recommend", {"history": []})
refused("no full table", 400, "no full table is served here", f"/recommend?user={user}&model=full")
many = {"users": service.get("/health")[1]["examples"] * 10, "k": 100}


def busy(_):
    status, answer, response = service.ask("POST", "/recommend", many)
    return status, response.getheader("Retry-After"), answer


with concurrent.futures.ThreadPoolExecutor(16) as pool:
    answers = list(pool.map(busy, range(200)))
statuses = {status for status, _, _ in answers}
check("beyond the most at once it is 429, to be asked again", statuses == {200, 429}, statuses)
check("429 is JSON with Retry-After", all(after == "1" and "error" in answer for status, after, answer in answers if status == 429))
check("and then it serves on", service.get(f"/recommend?user={user}")[0] == 200)
taken = subprocess.run([mgqe, "serve", "--artifact", one, "--port", str(service.port)], capture_output=True, text=True)
check("a port that is taken", taken.returncode == 2 and re.search(r"cannot listen on 127.0.0.1 port \d+: Address already in use", taken.stderr), taken.stderr)
began = time.monotonic()
idle = service.connect()
service.ask("GET", "/health", connection=idle)
check("SIGINT ends it with 0, idle connections or not", service.end(signal.SIGINT) == 0 and time.monotonic() - began < 5)
wrong = subprocess.run([mgqe, "serve", "--artifact", one, "--histories", history_file + "x", "--port", "0"], capture_output=True, text=True)
check("histories that are not there", wrong.returncode == 2 and wrong.stderr.count("\n") == 1, wrong.stderr)

shutil.rmtree(work)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
