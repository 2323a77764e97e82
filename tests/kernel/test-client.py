#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The verbs of hobblectl that talk to hobbled: against one that answers as it is told to, odd ones too, and a real one.

What they print is compared with tests/expected/*.txt, where a line "$ VERB …" is a command line, what is below it its
standard output and error, and "= N" its status; volatile fields are masked. HOBBLE_TEST_UPDATE=1 writes them anew.
"""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

import harness as h

HERE = Path(__file__).resolve().parent
EXPECTED = HERE.parent / "expected"
ANSWERS = json.loads((EXPECTED / "mock-answers.json").read_text(encoding="utf-8"))
HEAD = "# SPDX-License-Identifier: LGPL-2.1-or-later\n"
MASKS = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", "TIME"),
    (r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( [A-Z]{3,4})?", "TIME"),
    (r"(\d+ ?(days?|d|h|min|s|ms|us) )+(ago|left)", r"SPAN \3"),
    (r"\b\d+\.\d+% CPU", "N% CPU"),
    (r"\d+\.\d+e[+-]\d+", "N"),
)
LIVE_MASKS = MASKS + (
    (r"(balance|used?|Rate:|CPU:|frozen for|was late by|late by) .*", r"\1 …"),
    (r"([+-]?\d+\.\d+%?)", "N"), (r" +", " "), (r"#\d+|request \d+", "request N"), (r"\b(frozen|thawed|admitting)\b", "STATE"),
    (r"of the .* tarpits? names", "of the tarpits names"),
)


def masked(text, masks):
    for pattern, with_what in masks:
        text = re.sub(pattern, with_what, text, flags=re.M)
    return text


def hobblectl(*words, path=None, **run):
    environment = os.environ | {"TZ": "UTC", "LC_ALL": "C.UTF-8"} | run.pop("env", {})
    argv = [h.program("HOBBLECTL"), words[0], *([f"--socket={path}"] if path else []), *words[1:]]
    return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=20,
                          env=environment, **run)


def transcript(name, path, masks, names=()):
    """Do what the file says and compare; names: (as in the file, what it stands for)."""
    file = EXPECTED / f"{name}.txt"
    wanted = file.read_text(encoding="utf-8") if file.exists() else HEAD
    got = HEAD
    for line in (line[2:] for line in wanted.splitlines() if line.startswith("$ ")):
        words = line
        for short, value in names:
            words = words.replace(short, value)
        done = hobblectl(*words.split(), path=path)
        said = done.stdout + done.stderr
        for short, value in names:
            said = said.replace(value, short)
        got += f"$ {line}\n{masked(said, masks)}= {done.returncode}\n"
    if os.environ.get("HOBBLE_TEST_UPDATE"):
        file.write_text(got, encoding="utf-8")
    for a, b in zip(wanted.splitlines(), got.splitlines()):
        h.equal(a, b, f"{name}.txt")
    h.equal(wanted.count("\n"), got.count("\n"), "lines")


class Mock:
    """A daemon that answers as it is told to; see mock-hobbled.py."""

    def __init__(self, answers=None, bus=None):
        self.file = os.path.join(h.scratch(), f"answers-{time.monotonic_ns()}")
        self.path = f"{self.file}.socket"
        Path(self.file).write_text(json.dumps(ANSWERS | (answers or {})), encoding="utf-8")
        probe = subprocess.run(["/usr/bin/python3", "-c", "import dbus.server, gi"], capture_output=True, check=False)
        if probe.returncode:
            h.skip("python3-dbus and python3-gi are not there")
        environment = os.environ | ({"DBUS_SYSTEM_BUS_ADDRESS": bus} if bus else {})
        self.process = h.spawn(["/usr/bin/python3", str(HERE / "mock-hobbled.py"), "bus" if bus else self.path, self.file],
                               stdout=subprocess.PIPE, env=environment)
        h.equal(b"ready\n", self.process.stdout.readline(), "the mock daemon")

    def calls(self):
        path = Path(f"{self.file}.calls")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@h.test
def each_verb_prints_what_is_expected():
    transcript("client", Mock().path, MASKS)


@h.test
def what_is_asked_for_reaches_the_daemon():
    mock = Mock()
    for words in (["hobble", "-t", "web", "--for=10min", "--force", "--persistent", "4711"], ["release", "--for=1s", "4711"],
                  ["set", "web", "FrozenSec=1s", "TasksMax=5"], ["pause", "--persistent", "web"], ["reload"]):
        h.equal(0, hobblectl(*words, path=mock.path).returncode, str(words))
    h.equal([["Hobble", "4711", "web", 600000000, 3], ["Release", "4711", "", 1000000, 0],
             ["Set", "web", ["FrozenSec=1s", "TasksMax=5"], 0], ["Pause", "web", 2], ["Reload"]], mock.calls(), "calls")


@h.test
def json_is_read_by_jq():
    mock = Mock()
    for words, query, wanted in (
            (["status"], ".tarpits[1].name, .stats, .running", '"web"\nnull\ntrue\n'),
            (["status", "--stats"], ".stats.late_max", "0.0015\n"),
            (["status", "web"], ".[0].limits.memory_max, .[0].subjects[0].pid", "1073741824\n99\n"),
            (["status", "4711"], ".[0].balance, .[0].command", '-0.012\n"gz\\\\x1b[31mip"\n'),
            (["why", "4711"], ".[0].verdict, .[0].balance", '"hobbled"\n-0.012\n'),
            (["list-tarpits"], ".tarpits[1].subjects", "2\n"),
            (["hobble", "--dry-run", "4711"], ".processes[1].verdict", '"move"\n')):
        done = hobblectl(*words, "--json", path=mock.path)
        read = subprocess.run(["jq", query], input=done.stdout, capture_output=True, text=True, check=False)
        h.equal((wanted, ""), (read.stdout, read.stderr), f"{words}")


# -- Odd daemons ----------------------------------------------------------------------------------------------

@h.test
def a_daemon_that_hangs_is_not_waited_for_for_long():
    silent = socket.socket(socket.AF_UNIX)
    path = os.path.join(h.scratch(), "silent")
    silent.bind(path)
    silent.listen(1)
    words = 'hobblectl: hobbled does not answer (waited 5s): see "systemctl status hobbled"\n'
    hanging = Mock({"Hobble": "hang"})
    with silent:
        runs = [subprocess.Popen([h.program("HOBBLECTL"), verb, f"--socket={where}", "4711"], stderr=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, text=True)
                for verb, where in (("why", path), ("status", path), ("hobble", path), ("hobble", hanging.path))]
        for run in runs:
            h.equal((words, 1), (run.communicate(timeout=30)[1], run.returncode), f"{run.args[1:]}")


@h.test
def another_version_is_called_by_its_name():
    properties = {"Version": ["s", "9.9"]}
    for answers, verb, what in (({" properties": properties}, "status", "Instance"), ({"Explain": ["s", "x"]}, "why", "Explain"),
                                ({"Explain": None}, "why", "Explain"), ({"Hobble": ["u", 7]}, "hobble", "Hobble"),
                                ({" properties": ANSWERS[" properties"] | {"PID": ["s", "x"]}}, "status", "PID")):
        done = hobblectl(verb, *(["4711"] if verb != "status" else []), path=Mock(answers).path)
        h.check(re.fullmatch(rf"hobblectl: hobbled (0\.1|9\.9) does not know {what}, or not as hobblectl .* does: .*\n",
                             done.stderr), f"{answers}: {done.stderr!r}")
        h.equal((1, ""), (done.returncode, done.stdout), verb)


@h.test
def errors_have_their_status_and_no_escape_sequences():
    bus = "org.freedesktop.DBus.Error."
    for name, status in (("org.hobbled1.Error.Refused", 4), (f"{bus}AccessDenied", 4), ("org.hobbled1.Error.NoSuchProcess", 3),
                         (f"{bus}InteractiveAuthorizationRequired", 4), ("org.hobbled1.Error.TooMany", 1), (f"{bus}NoMemory", 1)):
        done = hobblectl("hobble", "4711", path=Mock({"Hobble": ["error", name, "so \u001b[31m and \\x1b"]}).path)
        h.equal(status, done.returncode, name)
        h.check(done.stderr.endswith("so \\x1b[31m and \\x1b\n"), repr(done.stderr))


@h.test
def no_daemon_is_told():
    nowhere = os.path.join(h.scratch(), "nowhere")
    for verb in ("metrics", "list-tarpits", "monitor"):
        done = hobblectl(verb, path=nowhere)
        h.equal((1, f"hobblectl: no hobbled listens at '{nowhere}'\n"), (done.returncode, done.stderr), verb)
    h.equal((3, "○ hobbled - not running\n"), (lambda d: (d.returncode, d.stdout))(hobblectl("status", path=nowhere)), "status")
    h.equal({"running": False}, json.loads(hobblectl("status", "-J", path=nowhere).stdout), "status -J")
    if not os.path.exists("/run/hobbled/private"):
        none = {"env": {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={nowhere}"}}
        h.equal('hobblectl: hobbled is not running: "systemctl start hobbled"\n', hobblectl("pause", "x", **none).stderr, "pause")
        done = hobblectl("why", str(os.getpid()), **none)
        h.check(done.returncode == 0 and "not hobbled. So the cgroup tree shows" in done.stdout, done.stdout)


@h.test
def over_a_bus():
    if os.path.exists("/run/hobbled/private"):
        h.skip("there is a hobbled on this host")
    path = os.path.join(h.scratch(), "bus")
    bus = h.spawn(["dbus-daemon", "--session", "--nofork", f"--address=unix:path={path}", "--print-address"],
                  stdout=subprocess.PIPE)
    address = bus.stdout.readline().decode().strip()
    env = {"DBUS_SYSTEM_BUS_ADDRESS": address}
    done = hobblectl("status", env=env)
    h.equal((3, "○ hobbled - not running\n"), (done.returncode, done.stdout), "without hobbled")
    mock = Mock(bus=address)
    h.check(hobblectl("status", env=env).stdout.startswith("● hobbled 0.1 - running\n"), "status")
    monitor = h.spawn([h.program("HOBBLECTL"), "monitor", "--no-wait", "web"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                      env=os.environ | env)
    h.check(b"hobbled    web 4711" in monitor.stdout.readline(), "an event")
    h.kill(mock.process.pid)
    h.equal((b"hobblectl: hobbled went away\n", 1), (monitor.stderr.readline(), monitor.wait(5)), "its end")


# -- What is watched ------------------------------------------------------------------------------------------

@h.test
def monitor_prints_waits_and_ends():
    mock = Mock()
    run = h.spawn([h.program("HOBBLECTL"), "monitor", "--json", f"--socket={mock.path}"], stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE)
    events = [json.loads(run.stdout.readline()) for _ in range(3)]
    h.equal(["hobbled", "paused", "lost"], [e["kind"] for e in events], "kinds")
    h.equal((4711, "4711 (gz\\x1b[31mip) is hobbled"), (events[0]["pid"], events[0]["text"]), "the first")
    h.kill(mock.process.pid)
    h.equal(b"hobblectl: hobbled went away: waiting for it to come back\n", run.stderr.readline(), "its going")
    os.unlink(mock.path)
    h.spawn(["/usr/bin/python3", str(HERE / "mock-hobbled.py"), mock.path, mock.file])
    h.equal(b"hobblectl: hobbled is back\n", run.stderr.readline(), "its coming back")
    h.equal("hobbled", json.loads(run.stdout.readline())["kind"], "an event after that")
    run.send_signal(signal.SIGTERM)
    h.equal(-signal.SIGTERM, run.wait(5), "status")


@h.test
def monitor_ends_with_its_reader():
    mock = Mock({"events": []})
    run = h.spawn([h.program("HOBBLECTL"), "monitor", f"--socket={mock.path}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.3)
    run.stdout.close()
    run.wait(5)
    h.equal(b"", run.stderr.read(), "what it says")


def parse_metrics(text):
    """The text format, strictly: {name: type}, {(name, labels): value}."""
    types, values, seen, current = {}, {}, set(), None
    h.check(text.endswith("\n"), "the last line ends")
    for line in text.splitlines():
        if found := re.fullmatch(r"# HELP (hobbled_[a-z_]+) \S.*\.", line):
            h.check(found[1] not in seen, f"once: {line}")
            seen.add(found[1])
            current = found[1]
        elif found := re.fullmatch(r"# TYPE (hobbled_[a-z_]+) (counter|gauge)", line):
            h.check(found[1] == current and current not in types, f"after its HELP: {line}")
            h.equal(found[2] == "counter", current.endswith("_total"), f"its name: {line}")
            types[current] = found[2]
        else:
            label = r'[a-z]+="(?:[^"\\\n]|\\[\\"n])*"'
            found = re.fullmatch(rf"(hobbled_[a-z_]+)(?:\{{({label}(?:,{label})*)\}})? (-?\d+(?:\.\d+)?)", line)
            h.check(found and found[1] == current, f"a sample of its family: {line}")
            h.check((found[1], found[2]) not in values, f"once: {line}")
            values[found[1], found[2]] = float(found[3])
    return types, values


@h.test
def metrics_keep_to_the_format():
    odd = json.loads(json.dumps(ANSWERS))
    odd["ListSubjects"][1][0][2] = 'a"b\\c\nd'
    text = hobblectl("metrics", "--subjects", path=Mock(odd).path).stdout
    types, values = parse_metrics(text)
    h.equal(1.2, values["hobbled_subject_cpu_seconds_total", r'tarpit="web",subject="a\"b\\x5cc\\x0ad",id="1"'], "a subject")
    h.equal((1000.0, -0.0015), (values["hobbled_freezes_total", None],
                                values["hobbled_tarpit_balance_seconds", 'tarpit="web"']), "values")
    h.equal({name for name, _ in values}, set(types), "families")
    h.check("hobbled_subject" not in hobblectl("metrics", path=Mock().path).stdout.replace("hobbled_subjects", ""), "subjects")


# -- Terminals ------------------------------------------------------------------------------------------------

def on_terminal(path, *words, columns=20, env=None):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "SYSTEMD_PAGER": "", "LC_ALL": "C.UTF-8", **(env or {})})
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.execv(h.program("HOBBLECTL"), ["hobblectl", words[0], f"--socket={path}", *words[1:]])
    out = b""
    try:
        while more := os.read(fd, 4096):
            out += more
    except OSError:
        pass
    os.close(fd)
    os.waitpid(pid, 0)
    return out.decode().replace("\r", "")


@h.test
def a_narrow_terminal_colours_and_a_pager():
    path = Mock().path
    for words in (["status"], ["status", "web", "4711"], ["why", "4711"], ["list-tarpits"]):
        out = on_terminal(path, *words, env={"NO_COLOR": "1"})
        h.check("\x1b" not in out and len(out.splitlines()) > 2, f"{words}: {out!r}")
    for line in on_terminal(path, "why", "4711").splitlines():
        h.check(len(line) <= 20, line)
    h.check("\x1b[0;1;32m●\x1b[0m hobbled" in on_terminal(path, "status"), "a coloured dot")
    h.check("\x1b" not in on_terminal(path, "status", env={"TERM": "dumb"}), "a dumb terminal")
    out = on_terminal(path, "status", env={"SYSTEMD_PAGER": "sed s/^/PAGED/"})
    h.check(all(line.startswith("PAGED") for line in out.splitlines()), out)
    h.check("PAGED" not in on_terminal(path, "status", "--no-pager", env={"SYSTEMD_PAGER": "sed s/^/PAGED/"}), "--no-pager")


# -- A real one -----------------------------------------------------------------------------------------------

@h.test
def a_real_hobbled_prints_what_is_expected():
    path = os.path.join(h.scratch(), "real")
    busy, other = h.busy(h.cgroup("origin")), h.busy(h.cgroup("origin"))
    with h.Hobbled("--bus-socket=" + path, h.pidfile(busy, name="pids")) as hobbled:
        h.wait_until(hobbled.subjects, 5, "the subject appears")
        done = hobblectl("hobble", "--for=10min", str(other), path=path)
        h.check(done.stdout.startswith(f"{other}: hobbled in tarpit manual, for 10min (request "), done.stdout + done.stderr)
        h.wait_until(lambda: len(hobbled.subjects()) == 2, 5, "the other appears too")
        version = hobblectl("--version").stdout.split()[1]
        transcript("live", path, LIVE_MASKS, [("$BUSY", str(busy)), ("$OTHER", str(other)), ("$CGROUPS", os.path.basename(h.OWN)),
                                              ("$SCRATCH", h.scratch()), ("$INSTANCE", hobbled.instance), ("VERSION", version),
                                              ("$PID", str(hobbled.pid))])


h.main()
