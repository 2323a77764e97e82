#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl run, the real binary on real processes and terminals."""

import os
import re
import signal
import subprocess
import time

import harness as h
from runs import Run, Terminal, finished, hobbled_within


# -- What is passed through -----------------------------------------------------------------------------------

@h.test
def standard_streams_and_descriptors_are_the_commands_own():
    h.equal((0, "a\nb\n", "oops\n"), finished("sh", "-c", "cat; echo oops >&2", text="a\nb\n"), "streams")

    # ls has the directory open, too.
    h.equal((0, "0\n1\n2\n3\n", ""), finished("ls", "/proc/self/fd"), "open files")
    fd = os.dup2(0, 3, inheritable=True) if not os.path.exists("/proc/self/fd/3") else 3
    os.set_inheritable(fd, True)
    h.equal((0, "0\n1\n2\n3\n4\n", ""), finished("ls", "/proc/self/fd", pass_fds=[fd]), "open files with one more")


@h.test
def closed_standard_streams_stay_closed():
    file = os.path.join(h.scratch(), "fds")
    look = f"for i in 0 1 2; do test ! -e /proc/$$/fd/$i || echo $i open >> {file}; done; echo seen >> {file}"
    script = f"exec '{h.program('HOBBLECTL')}' run -- sh -c \"$0\" <&- >&- 2>&-"
    h.equal(0, finished(argv=["sh", "-c", script, look])[0], "status")
    h.equal("seen\n", h.read(file), "what the command saw")


@h.test
def signal_masks_and_dispositions_are_the_callers():
    show = ["grep", "-E", "^Sig(Blk|Ign|Cgt|Pnd)|^ShdPnd", "/proc/self/status"]
    caller = ("import os, signal as s, sys; s.pthread_sigmask(s.SIG_SETMASK, {s.SIGUSR1, s.SIGWINCH});"
              "[s.signal(x, s.SIG_IGN) for x in (s.SIGCHLD, s.SIGTSTP, s.SIGQUIT, s.SIGPIPE)];"
              "os.execvp(sys.argv[1], sys.argv[1:])")
    plain = subprocess.run(["python3", "-c", caller, *show], capture_output=True, text=True, check=True).stdout
    argv = ["python3", "-c", caller, h.program("HOBBLECTL"), "run", "--", *show]
    h.equal((0, plain, ""), finished(argv=argv), "signals")


@h.test
def output_ends_with_the_command_and_its_children():
    # What still has the pipe open is waited for, as without hobblectl; the engine has not.
    h.equal((0, "early\nlate\n", ""), finished("sh", "-c", "(sleep 0.3; echo late) & echo early"), "output")

    run = Run("sh", "-c", "sleep 1000 <&- >&- 2>&- & echo $!", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = run.front.stdout.read()  # the end of the file, though a child and with it the engine live on
    child = int(out)
    h.equal(0, run.wait(), "status")
    h.check(hobbled_within(child, run), "the child is still hobbled")


@h.test
def signals_are_passed_on():
    run = Run("sleep", "1000").started()
    run.front.terminate()
    h.equal(128 + 15, run.wait(), "status after SIGTERM")

    script = "trap 'exit 42' TERM; trap 'n=$((n + 1)); echo $n' USR1; echo up; while :; do read x; done"
    run = Run("sh", "-c", script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    h.equal("up\n", run.front.stdout.readline(), "the command's words")
    h.kill(run.pid, signal.SIGUSR1)
    h.equal("1\n", run.front.stdout.readline(), "one SIGUSR1")
    h.kill(run.pid, signal.SIGTERM)
    h.equal(42, run.wait(), "status of the trap")

    run = Run("sleep", "1000").started()
    h.kill(run.pid, signal.SIGRTMIN + 3)
    h.equal(128 + signal.SIGRTMIN + 3, run.wait(), "status after a real-time signal")

    # A command that ends its whole group does not see the signal again and again.
    script = "trap 'echo term; kill $(ps -o ppid= $$)' TERM; kill $$; sleep 0.1; exit 3"
    run = Run("sh", "-c", script, stdout=subprocess.PIPE, text=True)
    h.equal(("term\n", 3), (run.front.stdout.read(), run.wait()), "a signal that the command sends its parent")


@h.test
def an_alarm_of_the_caller_reaches_the_command():
    start = "import os, signal, sys; signal.alarm(1); os.execv(sys.argv[1], sys.argv[1:])"
    run = Run(argv=["python3", "-c", start, h.program("HOBBLECTL"), "run", "--", "sleep", "1000"])
    h.equal(128 + signal.SIGALRM, run.wait(5), "status")


# -- Terminals ------------------------------------------------------------------------------------------------

@h.test
def control_c_ends_the_command():
    terminal = Terminal()
    terminal.run("sleep 1000")
    terminal.type("\x03")
    terminal.expect("READY> ")
    terminal.type("echo =$?=\n")
    terminal.expect("=130=")

    # One that handles it, handles it once, and goes on.
    terminal.run("bash -c 'trap \"echo caught\" INT; echo up; read x; echo \"<$x>\"'")
    terminal.expect("\nup")
    terminal.type("\x03")
    terminal.expect(r"\^Ccaught")
    terminal.type("more\n")
    terminal.expect("<more>.*READY> ")
    h.check("caught" not in terminal.text, "it was caught once")


@h.test
def control_z_stops_the_command_and_never_the_engine():
    terminal = Terminal()
    run = terminal.run("sleep 1000")
    terminal.type("\x1a")
    terminal.expect(r"Stopped.*READY> ")
    h.equal(("T", "T"), (h.state(run.pid), h.state(run.command)), "states of front and command")
    h.check(h.state(run.engine) != "T" and h.state(run.guard()) != "T", "engine and guard go on")

    terminal.type("fg\n")
    h.wait_until(lambda: "T" not in (h.state(run.pid), h.state(run.command)), 5, "both go on")
    h.check(hobbled_within(run.command, run), "it is still hobbled")
    terminal.type("\x1a")
    terminal.expect(r"Stopped.*READY> ")
    terminal.type("bg\n")
    h.wait_until(lambda: "T" not in (h.state(run.pid), h.state(run.command)), 5, "both go on in the background")
    terminal.type("kill %1; wait %1; echo =$?=\n")
    terminal.expect("=143=")


@h.test
def a_command_that_stops_itself_stops_the_front():
    terminal = Terminal()
    terminal.run("sh -c 'kill -STOP $$; echo resumed; exit 5'")
    terminal.expect(r"Stopped.*READY> ")
    terminal.type("fg\n")
    terminal.expect(r"resumed.*READY> ")
    terminal.type("echo =$?=\n")
    terminal.expect("=5=")


@h.test
def a_shell_with_job_control_runs_hobbled():
    terminal = Terminal()
    run = terminal.run("env PS1='INNER> ' bash --norc --noprofile -i")
    terminal.expect("INNER> ")
    terminal.type("sh -c 'echo up; exec sleep 1000'\n")
    terminal.expect("\nup")
    terminal.type("\x1a")
    terminal.expect(r"Stopped.*INNER> ")
    job = h.children(run.command)[0]
    terminal.type("fg\n")
    h.wait_until(lambda: h.state(job) == "S", 5, "the job goes on")
    terminal.type("\x03")
    terminal.expect("INNER> ")
    terminal.type("exit 9\n")
    terminal.expect("READY> ")
    terminal.type("echo =$?=\n")
    terminal.expect("=9=")


@h.test
def continuing_the_command_alone_continues_the_front():
    run = Run("sh", "-c", "kill -STOP $$; exit 5").started()
    h.wait_until(lambda: h.state(run.pid) == "T", 5, "the front stops")
    h.check(h.state(run.engine) != "T", "the engine goes on")
    h.kill(run.command, signal.SIGCONT)
    h.equal(5, run.wait(), "status")

    run = Run("sh", "-c", "kill -STOP $$; exit 6").started()
    h.wait_until(lambda: h.state(run.pid) == "T", 5, "the front stops")
    h.kill(run.pid, signal.SIGCONT)
    h.equal(6, run.wait(), "status")


# -- Hobbling -------------------------------------------------------------------------------------------------

@h.test
def it_is_hobbled_from_before_its_first_instruction():
    run = Run("cat", "/proc/self/cgroup", stdout=subprocess.PIPE, text=True)
    line = next(x for x in run.front.stdout.read().splitlines() if x.startswith("0::"))
    h.check(f"/hobbled-{run.instance}/" in line, line)
    run.wait()
    run.gone()


@h.test
def it_is_not_hobbled_twice():
    status, out, said = finished(h.program("HOBBLECTL"), "run", "--", "echo", "x")
    h.equal((125, ""), (status, out), "status and output")
    h.check("'echo' was not started, as it cannot be hobbled: it is hobbled by another instance" in said, said)


@h.test
def the_end_of_a_front_that_is_still_starting_ends_all():
    for sig, wait in ((s, w) for s in (signal.SIGTERM, signal.SIGKILL) for w in (0, 0.002, 0.004, 0.008)):
        run = Run("sleep", "1000")
        time.sleep(wait)  # an arbitrary moment of the start
        h.kill(run.pid, sig)
        status = run.wait()
        h.check(status in (128 + sig, -sig), f"status {status} after {sig.name}")
        if sig == signal.SIGKILL:
            for pid in h.members(run.home):  # it had started already
                if h.read(f"/proc/{pid}/comm") == "sleep\n":
                    h.kill(pid)
        run.gone()


@h.test
def the_share_is_as_asked_for():
    usual = Run("sh", "-c", h.LOOP).started()
    fifth = Run("sh", "-c", h.LOOP, options=["--duty=20%"]).started()
    slow = Run("sh", "-c", h.LOOP, options=["--frozen=450ms", "--thawed=50ms"]).started()
    runs = [usual, fifth, slow]
    begin, before = time.monotonic(), [h.cpu_usec(r.subject) for r in runs]
    time.sleep(3)  # what is measured is time itself
    after, took = [h.cpu_usec(r.subject) for r in runs], time.monotonic() - begin
    shares = [(a - b) / 1e6 / took for a, b in zip(after, before)]
    h.between(0.01, shares[0], 0.06, "share of the usual duty, 3.85 %")
    h.between(2.5, shares[1] / shares[0], 10, "share of --duty=20% to that")
    h.between(1.3, shares[2] / shares[0], 5, "share of 450 ms to 50 ms to that")


@h.test
def children_that_live_on_stay_hobbled():
    script = "sleep 1000 & setsid sleep 1000 & echo $$; wait -n; exit 4"
    run = Run("bash", "-c", script, stdout=subprocess.PIPE, text=True)
    run.started()
    h.equal(run.command, int(run.front.stdout.readline()), "the command's pid")
    h.wait_until(lambda: len(h.members(run.subject)) == 3, 5, "its children are there")
    children = h.members(run.subject) - {run.command}
    h.kill(run.command)
    h.equal(128 + 9, run.wait(), "status")
    for pid in children:
        h.check(h.alive(pid) and hobbled_within(pid, run), f"{pid} is still hobbled")
    h.check(h.alive(run.engine), "the engine lives on")
    for pid in children:
        h.kill(pid)
    h.wait_until(lambda: not h.alive(run.engine), 3, "the engine ends")
    run.gone()


# -- Death ----------------------------------------------------------------------------------------------------

@h.test
def a_killed_front_leaves_it_hobbled():
    run = Run("sh", "-c", h.LOOP).started()
    run.front.kill()
    run.wait()
    for wanted in (True, False, True):
        h.wait_until(lambda w=wanted: h.frozen(run.subject) == w, 5, f"frozen: {wanted}")
    h.kill(run.command)
    run.gone()


@h.test
def a_killed_engine_lets_it_run_on():
    run = Run("sh", "-c", f"trap 'exit 6' TERM; {h.LOOP}", cgroup=h.cgroup("origin")).started()
    h.wait_until(lambda: h.frozen(run.subject), 5, "it is frozen")
    h.kill(run.engine)
    h.wait_until(lambda: h.cgroup_of(run.command) == h.cgroup("origin"), 1, "it is back in its origin")
    h.check(not h.frozen(h.cgroup("origin")), "it is thawed")
    words = rf"^hobblectl: 'sh' \(process {run.command}\) goes on unhobbled: its engine ended unexpectedly\n$"
    h.wait_until(lambda: re.search(words, run.words()), 2, "the front says so")
    h.kill(run.pid, signal.SIGTERM)
    h.equal(6, run.wait(), "the front waits for it all the same")
    run.gone()


@h.test
def an_engine_that_is_told_to_end_lets_it_run_on():
    run = Run("sleep", "1000", cgroup=h.cgroup("origin")).started()
    h.kill(run.engine, signal.SIGTERM)
    run.gone()
    h.equal(h.cgroup("origin"), h.cgroup_of(run.command), "its cgroup")
    h.wait_until(lambda: "goes on unhobbled: its engine was told to end" in run.words(), 3, "the front says so")
    h.kill(run.command)
    h.equal(128 + 9, run.wait(), "status")


@h.test
def a_hung_engine_admits_again():
    run = Run("sh", "-c", h.LOOP, cgroup=h.cgroup("origin")).started()
    h.kill(run.engine, signal.SIGSTOP)
    h.wait_until(lambda: h.cgroup_of(run.command) == h.cgroup("origin"), 3, "the guard restores it")
    h.kill(run.engine, signal.SIGCONT)
    h.wait_until(lambda: hobbled_within(run.command, run) and h.frozen(h.cgroup_of(run.command)), 5, "hobbled again")
    h.equal("", run.words(), "nothing to say")


h.main()
