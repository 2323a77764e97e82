# SPDX-License-Identifier: LGPL-2.1-or-later
"""A container: namespaces of its own for pids, cgroups and mounts, and for users where that is asked for, in a cgroup of
the test's. In it /proc is mounted anew, /mnt is a tmpfs with the programs, and /mnt/cgroup the hierarchy beneath.

    container = Container("docker/" + "0" * 64, user=True)
    pid = container.spawn("sh", "-c", h.LOOP)
    container.inner(pid)

Run as a program it makes the namespaces and becomes what waits in them."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys

MNT, CGROUP = "/mnt", "/mnt/cgroup"
FIRST_UID = 100000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_NEWNS, _NEWCGROUP, _NEWUSER, _NEWPID = 0x20000, 0x2000000, 0x10000000, 0x20000000


class Container:
    """It goes with the test's processes. Its hierarchy can be delegated, to its own root, and be mounted read-only."""

    def __init__(self, name, *, user=False, delegated=False, read_only=False):
        import harness as h
        self.h, self.path, self.root = h, h.cgroup(name), FIRST_UID if user else 0
        programs = [h.program(p) for p in ("HOBBLED", "HOBBLECTL", "HOBBLE_GUARD")]
        if delegated:
            for file in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
                os.chown(os.path.join(self.path, file), FIRST_UID, FIRST_UID)
        maker = h.spawn([sys.executable, __file__, *(["user"] if user else []), *(["ro"] if read_only else []), "--",
                         *programs, h.program("LIBHOBBLE")], self.path, stderr=subprocess.PIPE)
        h.wait_until(lambda: maker.poll() is not None or self._init_of(maker.pid), 10, "the container has begun")
        if maker.poll() is not None:
            h.skip(f"no container can be made here: {maker.stderr.read().decode().strip().splitlines()[-1]}")
        self.init = self._init_of(maker.pid)

    def _init_of(self, maker):
        return next((c for c in self.h.children(maker) if os.path.exists(f"/proc/{c}/root{MNT}/ready")), None)

    def file(self, name):
        """The path by which the test has a file of the container's MNT."""
        return f"/proc/{self.init}/root{MNT}/{name}"

    def write(self, name, text):
        """Write a file that belongs to its root."""
        self.h.write(self.file(name), text)
        os.chown(self.file(name), self.root, self.root)

    def enter(self, *argv, **popen):
        """Start something in it, as who is root there. Returns the Popen, of nsenter."""
        return self.h.spawn(["nsenter", f"--target={self.init}", "--all", "env", f"LD_LIBRARY_PATH={MNT}", *argv],
                            self.path, **popen)

    def spawn(self, *argv, **popen):
        """The same. Returns the pid that the host has for it."""
        outer = self.enter(*argv, **popen).pid
        name = os.path.basename(argv[0])[:15] + "\n"
        return self.h.wait_until(lambda: next((c for c in self.h.children(outer)
                                               if self.h.read(f"/proc/{c}/comm") == name), None), 5, f"{argv[0]} runs")

    def run(self, *argv):
        """Run something in it to its end. Returns its status and all that it has said."""
        process = self.enter(*argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = process.communicate(timeout=20)
        return process.returncode, said.decode()

    def inner(self, pid):
        """The pid that the container has for a process of its own."""
        line = next(l for l in self.h.read(f"/proc/{pid}/status").splitlines() if l.startswith("NSpid:"))
        return int(line.split()[-1])

    def inner_cgroup(self, pid):
        """The cgroup that a process of the container's sees itself in."""
        _, said = self.run("cat", f"/proc/{self.inner(pid)}/cgroup")
        return next(l[3:] for l in said.splitlines() if l.startswith("0::"))


# -- The program ----------------------------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def _call(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _unshare(flags):
    _call(_libc.unshare(flags), "unshare")


def _mount(what, where, kind, flags=0, options=None):
    _call(_libc.mount(what, where.encode(), kind, ctypes.c_ulong(flags), options), f"mount {where}")


def _become_user():
    """Root of a user namespace, whom the host has as FIRST_UID: a child that stays outside writes the maps."""
    begin, end = os.pipe()
    helper = os.fork()
    if helper == 0:
        os.read(begin, 1)
        for file in ("uid_map", "gid_map"):
            with open(f"/proc/{os.getppid()}/{file}", "w", encoding="ascii") as f:
                f.write(f"0 {FIRST_UID} 65536")
        os._exit(0)
    _unshare(_NEWUSER)
    os.write(end, b"x")
    if os.waitpid(helper, 0)[1] != 0:
        raise OSError("the user namespace has no users")
    os.setgroups([])
    os.setgid(0)
    os.setuid(0)


def _make(words):
    options, programs = words[:words.index("--")], words[words.index("--") + 1:]
    _unshare(_NEWNS)
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount(b"none", MNT, b"tmpfs", 0, b"mode=0777")
    os.mkdir(CGROUP)
    for program in programs:
        shutil.copy(program, MNT)
    library = os.path.basename(programs[-1])
    os.symlink(library, f"{MNT}/{library.partition('.so.')[0]}.so.0")
    if "user" in options:
        _become_user()
    _unshare(_NEWNS | _NEWCGROUP | _NEWPID)
    init = os.fork()
    if init:
        _libc.prctl(1, signal.SIGKILL)  # what becoming another user has taken back
        sys.exit(os.waitpid(init, 0)[1] != 0)
    _mount(b"none", "/proc", b"proc")
    _mount(b"none", CGROUP, b"cgroup2")
    if "ro" in options:
        _mount(None, CGROUP, None, _REMOUNT | _BIND | _RDONLY)
    with open(f"{MNT}/ready", "w", encoding="ascii"):
        pass
    os.execvp("sh", ["sh", "-c", "sleep 1000 & wait"])


if __name__ == "__main__":
    _make(sys.argv[1:])
