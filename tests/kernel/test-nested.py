#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trees that are hobbled within the cgroup they are in: those of scopes. Any cgroup of such a name will do for that."""

import os
import re
import signal
import time

import failopen
import harness as h

CHECK = "--check=200ms"
NOBODY = 61235


# -- Helpers --------------------------------------------------------------------------------------------------

def scope(name="session-1.scope"):
    return h.cgroup(name)


def nests(path, hobbled=None):
    """The nested directories at and below path: of all instances, or of one."""
    name = f"hobbled-{hobbled.instance}-" if hobbled else "hobbled-"
    return sorted(d for d, _, _ in os.walk(path) if re.fullmatch(re.escape(name) + r"(.*-)?\d+", os.path.basename(d)))


def admitted(hobbled, pid, timeout=3.0):
    """Wait until it says that the tree is hobbled."""
    hobbled.wait_log(rf"process {pid}\b.*: hobbled, \d+ process", timeout)


def nested(hobbled, pid, path):
    """Wait until the tree is hobbled, in one directory beneath path. Returns that."""
    admitted(hobbled, pid)
    found = nests(path, hobbled)
    h.equal(1, len(found), f"nested directories in {path}")
    h.equal(path, os.path.dirname(found[0]), "where it is nested")
    return found[0]


def release(hobbled, file):
    """Take all out of the pid file, and wait until nothing is hobbled any more."""
    h.write(file, "")
    h.wait_until(lambda: not nests(h.OWN, hobbled) and not hobbled.subjects(), 3, "all is released")


def list_of(hobbled):
    """What `hobblectl list` says of this instance's subjects: a list of lines, split."""
    out = h.hobblectl("list", "--no-headings", "--output=SUBJECT,PID,STATE,CPU,INSTANCE").stdout
    return [line.split() for line in out.splitlines() if line.split()[-1] == hobbled.instance]


# -- A life ---------------------------------------------------------------------------------------------------

@h.test
def hobbled_in_its_scope_and_back():
    path = scope()
    root = h.busy_tree(path)
    tree = [root, *h.descendants(root)]
    file = h.pidfile(root)
    with h.Hobbled(CHECK, file) as hobbled:
        directory = nested(hobbled, root, path)
        for pid in tree:
            h.equal(directory, h.cgroup_of(pid), f"where {pid} is")
        h.check("populated 1" in h.read(f"{path}/cgroup.events"), "the scope has processes all the while")
        h.equal(os.path.relpath(path, h.CGROOT), h.marks(directory)["origin"].lstrip("/"), "its origin")

        h.wait_until(lambda: h.frozen(directory), 5, "it is frozen")
        h.check(not h.freeze_wanted(path), "the scope itself is not")
        subject, pid, *_ = list_of(hobbled)[0]
        h.equal((str(root), str(root)), (subject, pid), "the list's line")

        release(hobbled, file)
        h.equal(sorted(tree), sorted(h.members(path)), "who is in the scope")
        for pid in tree:
            h.equal(path, h.cgroup_of(pid), f"where {pid} is")


@h.test
def who_is_frozen_with_its_unit_by_someone_else_is_said_to_be_held():
    path = scope()
    pid = h.busy(path)
    with h.Hobbled(h.pidfile(pid)) as hobbled:
        nested(hobbled, pid, path)
        h.freeze(path)
        h.equal(["held"], [row[2] for row in list_of(hobbled)], "as it is frozen")
        h.freeze(path, False)
        h.check("held" not in [row[2] for row in list_of(hobbled)], "as it is thawed")


@h.test
def its_end_is_noticed():
    path = scope()
    pid = h.busy(path)
    with h.Hobbled(CHECK, h.pidfile(pid)) as hobbled:
        directory = nested(hobbled, pid, path)
        h.wait_until(lambda: h.frozen(directory), 5, "it is frozen")
        h.kill(pid)
        hobbled.wait_log(rf"process {pid}: ended")
        h.equal([], nests(path), "directories that are left")
        h.equal([], hobbled.subjects(), "subjects that are left")


@h.test
def its_directory_goes_with_its_unit():
    """As systemd does at the end of a unit: kill all, remove all directories."""
    path = scope()
    pid = h.busy(path)
    with h.Hobbled(CHECK, h.pidfile(pid)) as hobbled:
        nested(hobbled, pid, path)
        h.write(f"{path}/cgroup.kill", 1)
        h.wait_until(lambda: h.remove(path), 3, "the scope is removed")
        hobbled.wait_log(rf"process {pid}: ended")
        h.wait_until(lambda: not hobbled.subjects(), 3, "no subject is left")


@h.test
def members_of_one_unit_go_together():
    """Several cgroups of one scope: all are in one subject, and each goes back to its own."""
    victims = failopen.Victims()
    victims.tree("session-1.scope/a", "session-1.scope", "session-1.scope/b")
    file = h.pidfile(*victims.roots)
    with h.Hobbled(CHECK, file) as hobbled:
        admitted(hobbled, victims.roots[0])
        directory = nests(scope(), hobbled)[0]
        h.equal(h.cgroup("session-1.scope/a"), os.path.dirname(directory), "it is where the root was")
        h.equal(len(victims.origin), len(h.members(directory)), "members")
        h.equal([directory], nests(h.OWN, hobbled), "subjects")
        release(hobbled, file)
        h.equal([], victims.astray(), "threads that are elsewhere")


# -- Parts ----------------------------------------------------------------------------------------------------

def chain(*paths):
    """A shell in the first cgroup, its child in the second, and so on. Returns their pids."""
    script = "exec sleep 1000"
    for _ in paths[1:]:
        script = f"({script}) & wait"
    root = h.spawn(["sh", "-c", script], paths[0]).pid
    h.wait_until(lambda: len(h.descendants(root)) == len(paths) - 1, 5, "the tree is complete")
    pids = [root, *h.descendants(root)]
    for pid, path in zip(pids, paths):
        h.attach(pid, path)
    # Who began in the clock tick in which the admission does is found as the child of a member only: not beneath a part.
    time.sleep(2 / os.sysconf("SC_CLK_TCK"))
    return pids


@h.test
def another_scope_is_a_part_of_its_own():
    """It is hobbled where it is, for as long as the tree is that it belongs to."""
    one, two, three = scope("session-1.scope"), scope("session-2.scope"), h.cgroup("a.service")
    homes = (one, two, two, one, three)
    pids = chain(*homes)
    file = h.pidfile(pids[0])
    with h.Hobbled(CHECK, file) as hobbled:
        h.equal({pids[0], pids[3]}, h.members(nested(hobbled, pids[0], one)), "who is in")
        h.equal({pids[1], pids[2]}, h.members(nested(hobbled, pids[1], two)), "who is in the part")
        admitted(hobbled, pids[4])
        h.equal({pids[4]}, set().union(*map(h.members, hobbled.subjects())), "who is in the other part")
        release(hobbled, file)
        h.equal(list(homes), [h.cgroup_of(pid) for pid in pids], "where all are")


@h.test
def a_scope_in_a_services_tree_is_a_part_of_its_own():
    """The root goes to the pit; who lives in a scope stays in it, who lives in another service comes along."""
    homes = h.cgroup("a.service"), scope("session-2.scope"), h.cgroup("b.service")
    pids = chain(*homes)
    file = h.pidfile(pids[0])
    with h.Hobbled(CHECK, file) as hobbled:
        admitted(hobbled, pids[0])
        h.equal({pids[1]}, h.members(nested(hobbled, pids[1], homes[1])), "who is in the part")
        h.equal({pids[0], pids[2]}, set().union(*map(h.members, hobbled.subjects())), "who is in")
        release(hobbled, file)
        h.equal(list(homes), [h.cgroup_of(pid) for pid in pids], "where all are")


@h.test
def a_part_ends_with_its_tree():
    one, two = scope("session-1.scope"), scope("session-2.scope")
    pids = chain(one, two)
    with h.Hobbled(CHECK, h.pidfile(pids[0])) as hobbled:
        nested(hobbled, pids[1], two)
        h.kill(pids[0])
        h.wait_until(lambda: h.cgroup_of(pids[1]) == two, 3, "the part is released")


# -- Other users' subtrees ------------------------------------------------------------------------------------

def users_unit(name="x.scope"):
    """A slice of root's, in it a service that belongs to a user, in that a unit. Returns slice and unit."""
    path = h.cgroup(f"user-1.slice/user@1.service/app.slice/{name}")
    top = h.cgroup("user-1.slice")
    for d in (h.cgroup("user-1.slice/user@1.service"), os.path.dirname(path)):
        os.chown(d, NOBODY, NOBODY)
    return top, path


@h.test
def above_what_belongs_to_a_user():
    """The unit's own directory is root's, but the user's are above it. A service there is nested as a scope is."""
    for name in ("x.scope", "x.service"):
        top, path = users_unit(name)
        pid = h.busy(path)
        file = h.pidfile(pid)
        with h.Hobbled(CHECK, file) as hobbled:
            directory = nested(hobbled, pid, top)
            h.wait_until(lambda d=directory: h.frozen(d), 5, "it is frozen")
            release(hobbled, file)
            h.equal(path, h.cgroup_of(pid), "where it is")


@h.test
def a_service_that_belongs_to_a_user():
    """Nothing but its own directory is delegated: it is nested beside that."""
    path = h.cgroup("system.slice/a.service")
    os.chown(path, NOBODY, NOBODY)
    pid = h.busy(path)
    file = h.pidfile(pid)
    with h.Hobbled(CHECK, file) as hobbled:
        nested(hobbled, pid, h.cgroup("system.slice"))
        release(hobbled, file)
        h.equal(path, h.cgroup_of(pid), "where it is")


@h.test
def a_users_service_in_a_tree_of_roots_is_a_part_of_its_own():
    """The root goes to the pit, and what is delegated stays beneath what it is delegated from."""
    top, path = users_unit("x.service")
    homes = h.cgroup("a.service"), path
    pids = chain(*homes)
    file = h.pidfile(pids[0])
    with h.Hobbled(CHECK, file) as hobbled:
        admitted(hobbled, pids[0])
        nested(hobbled, pids[1], top)
        h.equal({pids[0]}, set().union(*map(h.members, hobbled.subjects())), "who is in the pit")
        release(hobbled, file)
        h.equal(list(homes), [h.cgroup_of(pid) for pid in pids], "where all are")


@h.test
def a_users_directory_of_that_name_is_not_believed():
    """Neither does it keep a tree from being hobbled, nor does a rescue follow it or thaw it."""
    top, path = users_unit()
    trap = h.cgroup("user-1.slice/user@1.service/hobbled-x-1")
    elsewhere = h.cgroup("elsewhere")
    inner = h.cgroup("user-1.slice/user@1.service/hobbled-x-1/inner.scope")
    os.setxattr(trap, "user.hobble.origin", ("/" + os.path.relpath(elsewhere, h.CGROOT)).encode())
    for d in (trap, inner):
        os.chown(d, NOBODY, NOBODY)
    pid = h.busy(inner)
    file = h.pidfile(pid)
    with h.Hobbled(CHECK, file) as hobbled:
        admitted(hobbled, pid)
        h.equal(top, os.path.dirname(h.cgroup_of(pid)), "where it is nested")
        release(hobbled, file)
        h.equal(inner, h.cgroup_of(pid), "where it is, and not where the user's mark says")


@h.test
def a_users_directory_is_no_target_of_a_rescue():
    """Where the nested directory was replaced by one of a user's, with a way home that leads elsewhere."""
    path = scope()
    pid = h.busy(path)
    other = h.sleeper()
    with h.Hobbled(CHECK, h.pidfile(pid)) as hobbled:
        directory = nested(hobbled, pid, path)
        guard = hobbled.guard()
        h.kill(guard, signal.SIGSTOP)
        hobbled.signal(signal.SIGKILL)
        hobbled.process.wait()
        h.kill(pid)
        h.wait_until(lambda: h.remove(directory), 3, "the directory is removed")
        os.mkdir(directory)
        os.chown(directory, NOBODY, NOBODY)
        os.setxattr(directory, "user.hobble.origin", ("/" + os.path.relpath(h.cgroup("elsewhere"), h.CGROOT)).encode())
        h.attach(other, directory)
        h.freeze(directory)
        h.kill(guard, signal.SIGCONT)
        failopen.wait_end(hobbled)
        h.equal(directory, h.cgroup_of(other), "where the user's process is")
        h.check(h.freeze_wanted(directory), "what the user froze stays frozen")


# -- Where it cannot be ---------------------------------------------------------------------------------------

def goes_to_the_pit(path):
    pid = h.busy(path)
    file = h.pidfile(pid)
    with h.Hobbled(CHECK, file) as hobbled:
        admitted(hobbled, pid)
        hobbled.wait_log(rf"process {pid}\b.*: cannot be hobbled within its own cgroup")
        h.equal([], nests(path), "nested directories")
        h.check(h.cgroup_of(pid).startswith(hobbled.home + "/pit/"), f"it is in the pit, not in {h.cgroup_of(pid)}")
        h.check("target" not in h.marks(h.cgroup_of(pid)), "which is no stand-in any more")
        h.wait_until(lambda: h.frozen(h.cgroup_of(pid)), 5, "it is frozen")
        release(hobbled, file)
        h.equal(path, h.cgroup_of(pid), "where it is")
        h.equal(1, len(re.findall("cannot be hobbled within", hobbled.log())), "how often that is told")


@h.test
def no_room_for_a_directory():
    path = scope()
    h.write(f"{path}/cgroup.max.descendants", 0)
    goes_to_the_pit(path)


@h.test
def beneath_a_threaded_cgroup():
    path = scope()
    os.makedirs(f"{path}/thread")
    h.write(f"{path}/thread/cgroup.type", "threaded")
    goes_to_the_pit(path)


# -- Fail-open ------------------------------------------------------------------------------------------------

def scopes():
    victims = failopen.Victims()
    victims.tree("session-1.scope", "session-1.scope/b", "session-1.scope/c")
    victims.busy(2, "session-2.scope")
    victims.leaderless("session-3.scope")
    return victims


def nothing_is_left(hobbled):
    failopen.wait_end(hobbled)
    h.equal([], nests(h.OWN), "directories that are left")


@h.test
def killed():
    victims, times = scopes(), failopen.Times()
    with failopen.ahead():
        for options in ([], ["--freeze-idle"]):
            with h.Hobbled(*options, *victims.sources()) as hobbled:
                victims.wait_hobbled(hobbled)
                failopen.wait_home(victims, [hobbled.home], failopen.killed(hobbled), times, "SIGKILL")
                nothing_is_left(hobbled)
    times.note("SIGKILL")


@h.test
def hung():
    victims, times = scopes(), failopen.Times()
    with failopen.ahead(), h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        begin = time.monotonic()
        hobbled.signal(signal.SIGSTOP)
        failopen.wait_home(victims, [hobbled.home], begin, times, "SIGSTOP")
        h.equal([], nests(h.OWN), "directories that are left")
        hobbled.signal(signal.SIGCONT)
        victims.wait_hobbled(hobbled)
    h.equal([], victims.astray(), "threads that are elsewhere after an orderly end")
    h.equal([], nests(h.OWN), "directories that are left")


@h.test
def both_killed_and_rescued():
    victims = scopes()
    with h.Hobbled(*victims.sources()) as hobbled:
        victims.wait_hobbled(hobbled)
        h.kill(hobbled.guard(), signal.SIGSTOP)
        guard = hobbled.guard()
        hobbled.signal(signal.SIGKILL)
        hobbled.process.wait()
        h.kill(guard)
        h.wait_until(lambda: not h.alive(guard), 3, "the guard is gone")
        status = h.hobblectl("rescue", hobbled.instance).returncode
        h.check(status in (0, 3), f"status of the rescue: {status}")  # 3: whoever started meanwhile has done it
        h.equal([], victims.astray(), "threads that are elsewhere")
        h.equal([], victims.frozen(), "frozen cgroups")
        nothing_is_left(hobbled)


@h.test
def hung_in_an_admission():
    """Stopped at each place of it, brought home by the guard, and continued: it admits anew, and leaves nothing."""
    os.environ["HOBBLED"] = h.program("HOBBLED_POINTS")
    victims = scopes()
    for place in ("admit.mkdir", "admit.target", "admit.nest", "admit.origin", "admit.attach"):
        for number in (1, 2)[failopen.SHORT:]:
            with h.Hobbled(*victims.sources(), env={"HOBBLE_TEST_POINT": f"{place}:stop:{number}"}) as hobbled:
                failopen.wait_stopped(hobbled.pid)
                begin = time.monotonic()
                failopen.wait_fenced(hobbled)
                failopen.wait_home(victims, [hobbled.home], begin, failopen.Times(), f"stopped at {place}")
                hobbled.signal(signal.SIGCONT)
                victims.wait_hobbled(hobbled)
            h.equal([], victims.astray(), f"threads that are elsewhere after {place}")
            h.equal([], nests(h.OWN), f"directories that are left after {place}")


failopen.quiet_crashes()
h.main()
