#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl run by a user without privilege, in a scope of their own systemd."""

import json
import os
import pty
import pwd
import signal
import subprocess
import time

import harness as h
from kernel.runs import Run

SLICE = "app.slice/app-hobble.slice"


def identity(name, linger=True):
    """What makes a process this user's, for spawn(): with a systemd of theirs, or without."""
    uid = h.user(name)
    if linger:
        h.as_user(name, "true")
    return {"user": uid, "group": pwd.getpwnam(name).pw_gid, "extra_groups": [], "cwd": "/",
            "env": {"PATH": os.environ["PATH"], "HOME": f"/home/{name}"}}


def manager(name):
    """The directory of the cgroup of a user's systemd."""
    uid = h.user(name)
    return f"{h.CGROOT}/user.slice/user-{uid}.slice/user@{uid}.service"


def scope(name, pid):
    return f"{manager(name)}/{SLICE}/hobble-run-{pid}.scope"


class UserRun(Run):
    """A run of a user's."""

    def __init__(self, name, *command, options=(), **popen):
        self.name = name
        super().__init__(*command, options=options, **{**identity(name), **popen})

    def follow(self, pid):
        super().follow(pid)
        self.scope = scope(self.name, pid)
        self.home = f"{self.scope}/hobbled-run-{pid}"

    def stop(self):
        h._hobbleds.remove(self)
        for pid in {self.pid, *(h.members(self.scope) if os.path.exists(self.scope) else ())}:
            h.kill(pid)
        h.wait_until(lambda: not os.path.exists(self.scope), 5, f"{self.scope} is gone")


def hobblectl(name, *arguments, **options):
    return h.run(h.program("HOBBLECTL"), *arguments, **{**identity(name), **options})


def listed(run, name=None):
    """The states that a list, as root or as a user, shows of a run."""
    text = (hobblectl(name, "list", "-J", "-o", "+INSTANCE") if name
            else h.run(h.program("HOBBLECTL"), "list", "-J", "-o", "+INSTANCE")).stdout
    return [e for e in json.loads(text)["subjects"] if e["instance"] == run.instance]


def end_while_frozen(run, *pids):
    """Kill processes of the run at once, at a moment when its command is frozen."""
    def frozen():
        if not h.frozen(run.subject):
            return False
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return h.frozen(run.subject)

    h.wait_until(frozen, 5, "it is frozen")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    h.wait_until(lambda: not any(h.alive(pid) for pid in pids), 5, "they are dead")


# -- What is passed through -----------------------------------------------------------------------------------

@h.test
def it_gets_its_share_without_root():
    run = UserRun("ann", "sh", "-c", h.LOOP, options=["--duty=20%"]).started()
    h.check(run.subject.startswith(f"{run.home}/pit/run/"), f"the command is in {run.subject}")
    h.equal({h.user("ann")}, {os.stat(f"/proc/{pid}").st_uid for pid in h.members(run.scope)}, "whose they are")
    time.sleep(0.5)
    base, begin = h.cpu_usec(run.scope) - h.cpu_usec(run.subject), time.monotonic()
    share = h.share(run.subject, 3)
    cost = (h.cpu_usec(run.scope) - h.cpu_usec(run.subject) - base) / 1e6 / (time.monotonic() - begin)
    h.note(f"a share of {share:.3f}; engine, guard and front cost {cost:.4f}")
    h.check(0.16 < share < 0.23, f"a share of {share:.3f}")
    h.equal("", run.words(), "what it said")


@h.test
def status_streams_and_terminal_are_the_commands_own():
    for script, status in (("exit 7", 7), ("kill -TERM $$", 128 + 15), ("exec /no/such", 127)):
        h.equal(status, UserRun("ann", "sh", "-c", script).wait(), script)
    run = UserRun("ann", "sh", "-c", "cat; echo oops >&2; pwd; echo $HOME", stdin=subprocess.PIPE,
                  stdout=subprocess.PIPE, text=True)
    h.equal((0, "a\nb\n/\n/home/ann\n", "oops\n"), run.end("a\nb\n"), "status and streams")
    h.wait_until(lambda: not os.path.exists(run.scope), 5, "the scope is gone")

    master, slave = pty.openpty()
    run = UserRun("ann", "sh", "-c", "test -t 0 && test -t 1 && stty size && read x && echo got $x", stdin=slave,
                  stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, b"word\n")
    h.equal(0, run.wait(), "status on a terminal")
    h.check("got word" in os.read(master, 4096).decode(), "it reads the terminal")
    os.close(master)


# -- Ends -----------------------------------------------------------------------------------------------------

@h.test
def what_is_killed_leaves_nobody_frozen():
    run = UserRun("ann", "sh", "-c", h.LOOP).started()
    h.kill(run.pid)
    h.wait_until(lambda: not h.alive(run.pid), 5, "the front is dead")
    for _ in range(3):
        h.wait_until(lambda: h.frozen(run.subject), 5, "it runs on, hobbled")
        h.wait_until(lambda: not h.frozen(run.subject), 5, "and is thawed")
    end_while_frozen(run, run.engine)
    h.wait_until(lambda: h.cgroup_of(run.command) == run.scope, 2, "the guard brings it home")
    h.equal([], h.anything_frozen(run.scope), "what is frozen")
    h.wait_until(lambda: not os.path.exists(run.home), 2, "the home is gone")


@h.test
def what_both_leave_is_rescued_by_its_user():
    """Root thaws it, and moves nobody."""
    run = UserRun("ann", "sh", "-c", h.LOOP).started()
    for name in (None, "ann"):
        entry, = listed(run, name)
        h.equal(("run", "ann", str(run.command), "sh"), (entry["tarpit"], entry["user"], entry["subject"], entry["command"]),
                "the entry")
        h.check(entry["state"] in ("frozen", "thawed"), f"{entry['state']}")
    h.user("bob")
    h.equal([], listed(run, "bob"), "what somebody else sees")

    end_while_frozen(run, run.pid, run.engine, run.guard())
    for name in (None, "ann"):
        h.equal("orphaned", listed(run, name)[0]["state"], "the state")
    h.check(h.frozen(run.subject), "it is frozen")
    hobblectl("bob", "rescue", status=4)
    h.check(h.frozen(run.subject), "it is still frozen")

    said = h.run(h.program("HOBBLECTL"), "rescue").stdout
    h.check("thawed 1 dead instance of other users" in said, said)
    h.equal([], h.anything_frozen(run.scope), "what is frozen")
    h.equal(run.subject, h.cgroup_of(run.command), "where it is")
    h.equal("nothing to rescue\n", h.run(h.program("HOBBLECTL"), "rescue").stdout, "once more")

    said = hobblectl("ann", "rescue").stdout
    h.equal("rescued 1 subject (1 process) of 1 instance\n", said, "as the user")
    h.equal(run.scope, h.cgroup_of(run.command), "where it is")
    h.equal([], listed(run), "what is listed")


@h.test
def another_run_rescues_what_is_left():
    """As the start of any engine does."""
    run = UserRun("ann", "sh", "-c", h.LOOP).started()
    end_while_frozen(run, run.engine, run.guard())
    h.equal(0, UserRun("ann", "true").wait(), "status of another one")
    h.equal([], h.anything_frozen(run.scope), "what is frozen")
    h.equal(run.scope, h.cgroup_of(run.command), "where it is")


@h.test
def all_live_ones_are_rescued_by_their_user():
    run = UserRun("ann", "sh", "-c", h.LOOP).started()
    h.check("left alone" not in h.run(h.program("HOBBLECTL"), "rescue", "--all").stdout, "it is none of root's")
    h.check(h.cgroup_of(run.command) == run.subject, "root leaves it hobbled")
    hobblectl("ann", "rescue", "--all")
    h.equal(run.scope, h.cgroup_of(run.command), "where it is")
    h.wait_until(lambda: "goes on unhobbled" in run.words(), 3, "it says so")


@h.test
def the_scope_is_stopped():
    run = UserRun("ann", "sh", "-c", f"trap '' HUP; {h.LOOP}").started()
    h.as_user("ann", "systemctl", "--user", "stop", os.path.basename(run.scope))
    h.wait_until(lambda: not os.path.exists(run.scope) and not h.alive(run.command), 10, "all of it is gone")


# -- What is not believed -------------------------------------------------------------------------------------

@h.test
def marks_of_a_user_move_nobody():
    """A scope of the right name with a home in it that claims whatever it likes."""
    job = h.user_service("eve", "sleeper", "exec sleep 1000")
    victim = h.service("victim", "exec sleep 1000")
    h.as_user("eve", "systemd-run", "--user", "--quiet", "--scope", "--slice=app-hobble.slice", "--property=Delegate=yes",
              "--unit=hobble-run-4242", "sh", "-c", "sleep 1000 >/dev/null 2>&1 </dev/null &")
    forged = scope("eve", 4242)
    subject = f"{forged}/hobbled-run-4242/pit/run/{victim}"
    target = h.cgroup_of(victim)
    inside, = h.members(forged)
    script = f"""
        mkdir -p {subject} {forged}/hobbled-run-4242/pit/run/1 {forged}/hobbled-run-4242/pit/'\x1b]0;x'
        echo {inside} >{subject}/cgroup.procs
        python3 - <<END
import os
os.setxattr('{forged}/hobbled-run-4242', 'user.hobble.instance', b'run-4242')
os.setxattr('{subject}', 'user.hobble.origin', b'/')
os.setxattr('{subject}', 'user.hobble.root', b'{victim} {h.start_time(victim)}')
os.setxattr('{forged}/hobbled-run-4242/pit/run/1', 'user.hobble.target', b'{target.removeprefix(h.CGROOT)}')
END
        echo 1 >{subject}/cgroup.freeze
    """
    h.run("sh", "-c", script, **identity("eve"))
    h.freeze(target)
    entries = [e for e in json.loads(h.run(h.program("HOBBLECTL"), "list", "-J", "-o", "+INSTANCE").stdout)["subjects"]
               if e["instance"] == "run-4242"]
    h.equal([(str(victim), None, "sleep", "eve", "orphaned")],
            [(e["subject"], e["pid"], e["command"], e["user"], e["state"]) for e in entries], "the list")
    h.run(h.program("HOBBLECTL"), "rescue", "--all")
    h.equal(subject, h.cgroup_of(inside), "where the one inside is")
    h.check(not h.freeze_wanted(subject), "it is thawed")
    h.check(h.freeze_wanted(target), "what it names is left as it is")
    h.freeze(target, False)
    h.kill(inside)
    h.kill(job)


# -- Without a systemd ----------------------------------------------------------------------------------------

@h.test
def without_a_session_it_says_what_to_do():
    who = identity("carol", linger=False)
    done = h.run(h.program("HOBBLECTL"), "run", "--", "touch", "/tmp/started", status=125, **who)
    h.equal(f"hobblectl: 'touch' was not started: without root, run needs a systemd of yours, and none can be reached "
            f"(No such file or directory): log in, or have root run 'loginctl enable-linger {h.user('carol')}', or run it "
            "as root\n", done.stderr, "what it says")
    h.check(not os.path.exists("/tmp/started"), "it was not started")


# -- The walk -------------------------------------------------------------------------------------------------

@h.test
def a_thousand_users_cost_little():
    """Of each user one directory is looked for."""
    def took():
        times = []
        for _ in range(7):
            begin = time.monotonic()
            h.run(h.program("HOBBLECTL"), "list")
            times.append(time.monotonic() - begin)
        return min(times)

    few = took()
    made = [f"{h.CGROOT}/user.slice/user-{uid}.slice/user@{uid}.service" for uid in range(70000, 71000)]
    for path in made:
        os.makedirs(path)
    try:
        many = took()
    finally:
        for path in made:
            os.rmdir(path)
            os.rmdir(os.path.dirname(path))
    h.note(f"hobblectl list takes {few * 1e3:.2f} ms, with 1,000 more users {many * 1e3:.2f} ms")
    h.check(many < few * 3 + 0.03, f"{few:.4f} s and {many:.4f} s")


h.main()
