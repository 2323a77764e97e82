#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a hobbled user tries, with a subtree of the hierarchy of their own and a service manager in it: it is refused, or
undone at the next look."""

import json
import os
import pwd
import sys

import harness as h  # before those that import it from beside them
from following import PIT, Following, is_nested, stays_in, tarpit_of, wait_in

SOON = "CheckSec=300ms\n"
NAME = "eve"


def uid():
    return h.user(NAME)


def slice_of():
    return f"{h.CGROOT}/user.slice/user-{uid()}.slice"


def manager():
    return f"{slice_of()}/user@{uid()}.service"


def everybody():
    """All of the user's."""
    return Following(eve=f"[Source]\nUser={NAME}\n{SOON}")


def by_pid(pid):
    """One process alone."""
    h.write("/run/eve.pids", f"{pid}\n")
    return Following(pids=f"[Source]\nPIDFile=/run/eve.pids\n{SOON}")


def user_scope(unit, script=h.LOOP):
    """A scope beneath the user's manager, kept by somebody else in it. Returns the pid of its shell, and its cgroup."""
    pid = h.user_scope(NAME, unit, f"setsid -f sleep 1000; {script}")
    h.equal(f"{manager()}/app.slice/{unit}.scope", h.cgroup_of(pid), "where it is")
    return pid, h.cgroup_of(pid)


def stop(*units):
    h.as_user(NAME, "systemctl", "--user", "stop", *(f"{unit}.scope" for unit in units))


def attempt(code):
    """Have the user run Python that sets `result`, with os and put(FILE, TEXT); what it became, or the error's name."""
    program = f"""
import errno, json, os
def put(path, text):
    with open(path, "w") as f:
        f.write(str(text))
result = "done"
try:
{chr(10).join('    ' + line for line in code.strip().splitlines())}
except OSError as e:
    result = errno.errorcode[e.errno]
print(json.dumps(result))
"""
    done = h.run("setpriv", f"--reuid={uid()}", f"--regid={pwd.getpwnam(NAME).pw_gid}", "--clear-groups", sys.executable,
                 "-c", program, cwd="/")
    return json.loads(done.stdout)


def refused(code, what, *errors):
    got = attempt(code)
    h.check(got in (errors or ("EACCES", "EPERM")), f"{what}: {got}")


# -- Where it is ----------------------------------------------------------------------------------------------

@h.test
def what_is_beneath_a_users_manager_is_nested_where_all_above_is_roots():
    pid, home = user_scope("one")
    other, elsewhere = user_scope("two")
    with by_pid(pid) as f:
        wait_in("pids", pid)
        h.check(is_nested(pid, slice_of()), f"{h.cgroup_of(pid)} is right below {slice_of()}")
        h.equal(0, os.stat(h.cgroup_of(pid)).st_uid, "whose it is")
        h.equal(elsewhere, h.cgroup_of(other), "where the user's other scope is")
        h.equal("active", h.show(f"user@{uid()}.service", "ActiveState"), "the manager")
        h.write("/run/eve.pids", "")
        wait_in(None, pid)
        h.equal(home, h.cgroup_of(pid), "where it is after the release")
    stop("one", "two")


# -- Refused --------------------------------------------------------------------------------------------------

@h.test
def a_hobbled_process_is_neither_thawed_nor_moved_nor_unmarked_by_its_user():
    pid, home = user_scope("held")
    with by_pid(pid):
        wait_in("pids", pid)
        nest = h.cgroup_of(pid)
        marks = h.marks(nest)
        for file in ("cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.threads", "cgroup.type", "cgroup.max.descendants"):
            refused(f"put({nest!r} + '/{file}', 0)", file)
        for name in marks:
            refused(f"os.removexattr({nest!r}, 'user.hobble.{name}')", f"to remove {name}")
            refused(f"os.setxattr({nest!r}, 'user.hobble.{name}', b'/')", f"to set {name}")
        refused(f"os.setxattr({nest!r}, 'user.hobble.omit', b'1')", "to exempt it")
        refused(f"os.rmdir({nest!r})", "to remove it")
        refused(f"os.mkdir({nest!r} + '/mine')", "to make one beneath it")
        refused(f"os.mkdir({slice_of()!r} + '/hobbled-pit-99')", "to make one beside it")
        refused(f"put({slice_of()!r} + '/cgroup.max.descendants', 0)", "to leave no room for it")
        refused(f"put({slice_of()!r} + '/cgroup.freeze', 0)", "to thaw the slice")
        for target in (home, manager(), f"{manager()}/app.slice"):
            refused(f"put({target!r} + '/cgroup.procs', {pid})", f"to move it to {target}")
            refused(f"put({target!r} + '/cgroup.threads', {pid})", f"to move it to {target}", "EACCES", "EPERM", "EOPNOTSUPP")
        refused(f"os.mkdir({manager()!r} + '/mine')\nput({manager()!r} + '/mine/cgroup.procs', {pid})", "to a new one")
        refused(f"put({h.CGROOT!r} + '{PIT}pids/cgroup.freeze', 0)", "to thaw the tarpit")
        refused(f"os.removexattr({h.CGROOT!r} + '{PIT}pids', 'user.hobble.target')", "to change the tarpit")
        refused("os.open('/run/hobble-pit/socket', os.O_RDWR)", "to talk to the guard", "EACCES", "EPERM")
        h.equal((nest, marks), (h.cgroup_of(pid), h.marks(nest)), "where it is, and its marks")
        stays_in("pids", pid)
        h.wait_until(lambda: h.frozen(nest), 5, "it is frozen")
        os.rmdir(f"{manager()}/mine")
    stop("held")


# -- Of no use ------------------------------------------------------------------------------------------------

@h.test
def forged_marks_and_settings_of_their_own_help_nobody():
    """Set beforehand, in what is the user's: everybody is hobbled all the same, and returns."""
    pid, home = user_scope("forged")
    sleeper, bed = user_scope("bystander", "exec sleep 1000")
    trap = f"{home}/hobbled-pit-1"
    h.equal("done", attempt(f"""
os.mkdir({trap!r})
for path in ({trap!r}, {home!r}):
    for name, value in dict(origin={bed.removeprefix(h.CGROOT)!r}, target='/', instance='pit', omit='1', root='1 1').items():
        os.setxattr(path, 'user.hobble.' + name, value.encode())
put({trap!r} + '/cgroup.procs', {pid})
put({home!r} + '/cgroup.max.descendants', 1)
put({manager()!r} + '/app.slice/cgroup.max.descendants', 4)
"""), "the user's own settings")
    h.equal(trap, h.cgroup_of(pid), "where it is")
    with by_pid(pid) as f:
        wait_in("pids", pid)
        h.check(is_nested(pid, slice_of()), h.cgroup_of(pid))
        h.equal(bed, h.cgroup_of(sleeper), "where the bystander is")
        h.kill(h.main_pid("hobbled"))
        wait_in("pids", pid)
        h.write("/run/eve.pids", "")
        wait_in(None, pid)
        h.equal(trap, h.cgroup_of(pid), "where it is after the release")
        h.equal("1", attempt(f"result = os.getxattr({trap!r}, 'user.hobble.omit').decode()"), "the user's own mark")
    h.hobblectl("rescue", "--all")
    h.equal((trap, bed), (h.cgroup_of(pid), h.cgroup_of(sleeper)), "where they are after a rescue")
    attempt(f"put({manager()!r} + '/app.slice/cgroup.max.descendants', 'max')")
    stop("forged", "bystander")


@h.test
def a_threaded_cgroup_of_theirs_is_no_refuge():
    pid, home = user_scope("threads")
    h.equal("done", attempt(f"""
os.mkdir({home!r} + '/thread')
put({home!r} + '/thread/cgroup.type', 'threaded')
put({home!r} + '/thread/cgroup.threads', {pid})
"""), "the user's own threads")
    h.equal(f"{home}/thread", h.cgroup_of(pid), "where it is")
    with by_pid(pid) as f:
        wait_in("pids", pid)
        h.check(is_nested(pid, slice_of()), h.cgroup_of(pid))
        h.write("/run/eve.pids", "")
        wait_in(None, pid)
        h.check(h.cgroup_of(pid).startswith(home), f"it is home, not in {h.cgroup_of(pid)}")
    stop("threads")


@h.test
def freezing_their_own_cgroup_only_keeps_it_frozen():
    """Who is frozen by the user does not run either; when the user thaws it, it is hobbled."""
    pid, home = user_scope("cold")
    h.equal("done", attempt(f"put({home!r} + '/cgroup.freeze', 1)"), "the user's freeze")
    h.wait_until(lambda: h.frozen(home), 5, "it is frozen")
    with by_pid(pid) as f:
        f.said("someone else has frozen")
        h.equal(home, h.cgroup_of(pid), "where it is")
        attempt(f"put({home!r} + '/cgroup.freeze', 0)")
        wait_in("pids", pid)
    stop("cold")


# -- Undone ---------------------------------------------------------------------------------------------------

def bus(*arguments):
    return h.as_user(NAME, "busctl", *arguments, status=None)


@h.test
def whom_the_service_manager_moves_out_is_hobbled_again():
    """PID 1 attaches processes of a user's to the user's own unit, which the user's manager asks it for."""
    pid, home = user_scope("walker")
    with by_pid(pid) as f:
        wait_in("pids", pid)
        done = bus("call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                   "AttachProcessesToUnit", "ssau", f"user@{uid()}.service", "/app.slice/walker.scope", "1", str(pid))
        h.equal(0, done.returncode, f"asking PID 1: {done.stderr}")
        f.said(rf"process {pid} \(sh\): was moved to .*walker.scope by someone else")
        wait_in("pids", pid)
        h.check(is_nested(pid, slice_of()), h.cgroup_of(pid))

        done = bus("--user", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                   "org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))", "away.scope", "fail", "1",
                   "PIDs", "au", "1", str(pid), "0")
        h.equal(0, done.returncode, f"asking the user's manager: {done.stderr}")
        f.said(rf"process {pid} \(sh\): was moved to .*away.scope by someone else")
        wait_in("pids", pid)
        h.write("/run/eve.pids", "")
        wait_in(None, pid)
        h.check(h.cgroup_of(pid).startswith(manager()), f"it is in {h.cgroup_of(pid)}")
    h.kill(pid)
    stop("walker")


@h.test
def a_child_that_leaves_the_session_for_a_scope_is_hobbled_there():
    """The root of its tree stays hobbled in the session."""
    told = "/tmp/leaver.pid"
    with everybody() as f:
        session = h.Session(NAME, f"""
            export XDG_RUNTIME_DIR=/run/user/{uid()}
            sleep 1000 &
            sleep 2
            systemd-run --user --quiet --scope --unit=leaver sh -c 'echo $$ >{told}; {h.LOOP}' &
            {h.LOOP}""")
        wait_in("eve", session.pid)
        pid = int(h.wait_until(lambda: h.read(told).strip(), 10, "it runs"))
        h.check(pid in h.descendants(session.pid), f"{pid} is beneath {session.pid}")
        wait_in("eve", pid)
        h.check(is_nested(pid, slice_of()), h.cgroup_of(pid))
        h.check(is_nested(session.pid, session.cgroup), h.cgroup_of(session.pid))
        h.equal(1, f.count(rf"process {session.pid} .*: hobbled"), "how often its tree was hobbled")
        h.equal(0, f.count("was moved"), "what was moved")
        h.kill(pid)
        stays_in("eve", session.pid)
    h.kill(session.pid)
    session.process.wait()


@h.test
def units_that_are_stopped_and_started_are_hobbled_soon():
    with everybody():
        for i in range(3):
            pid = h.user_service(NAME, f"again-{i}", h.LOOP)
            wait_in("eve", pid)
            h.as_user(NAME, "systemctl", "--user", "stop", f"again-{i}")
            h.check(not h.alive(pid), "it is stopped")
        pid = h.user_service(NAME, "restarted", h.LOOP)
        wait_in("eve", pid)
        h.as_user(NAME, "systemctl", "--user", "restart", "restarted", status=None)
        h.check(not h.alive(pid), "it is stopped")
    h.equal([], [d for d in os.listdir(slice_of()) if d.startswith("hobbled-")], "what is left")


@h.test
def starts_of_units_do_not_fail():
    """What the manager has just forked has still to move itself to the unit's cgroup."""
    def ask(*command):
        return h.run("runuser", "-u", NAME, "--", "env", f"XDG_RUNTIME_DIR=/run/user/{uid()}", *command).stdout

    for i in range(4):  # a busy host, on which it takes its time
        h.busy()
    with Following(eve=f"[Source]\nUser={NAME}\nCheckSec=100ms\n"):
        for i in range(50):
            ask("systemd-run", "--user", "--quiet", f"--unit=start-{i}", "sleep", "1000")
        h.wait_until(lambda: len(h.listing()) >= 50, 5, "all are hobbled")
        h.equal("", ask("systemctl", "--user", "list-units", "--failed", "--plain", "--no-legend"), "units that have failed")
        ask("systemctl", "--user", "stop", "start-*")


@h.test
def what_outlives_its_unit_stays_hobbled():
    """A unit is stopped, then all of the user's: of what is hobbled elsewhere systemd knows the main processes alone."""
    main = h.user_service(NAME, "family", f"({h.LOOP}) & {h.LOOP}")
    child, = h.wait_until(lambda: h.descendants(main), 5, "a child")
    alone = h.user_scope(NAME, "lonely", h.LOOP)
    with everybody():
        wait_in("eve", main, child, alone)
        h.as_user(NAME, "systemctl", "--user", "stop", "family")
        h.check(not h.alive(main), "the main process is stopped")
        left = [pid for pid in (child, alone) if h.alive(pid)]
        stays_in("eve", *left)
        h.run("loginctl", "disable-linger", NAME)
        h.run("loginctl", "terminate-user", NAME, status=None)
        h.wait_until(lambda: not os.path.exists(manager()), 10, "the user's manager has ended")
        stays_in("eve", *[pid for pid in left if h.alive(pid)])
        for pid in left:
            h.kill(pid)


h.main()
