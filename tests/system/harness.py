# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests share: a machine with systemd, booted for the test and thrown away after it, on which this build
is installed; and what administrators, users, cron and at do on it. All of tests/kernel/harness.py is here too.

    #!/usr/bin/env python3
    import harness as h

    @h.test
    def a_service_is_hobbled():
        victim = h.service("victim", h.LOOP)
        h.tarpit("busy", "[Source]\\nUnit=victim.service\\n")
        h.systemctl("start", "hobbled")
        h.wait_until(lambda: h.listed(victim), 5, "the service is hobbled")

    h.main()

Outside, main() installs the build below the build directory and runs the same file again through in-systemd, where that
is copied to its place and the tests run, one after the other in one boot. They find the programs there as HOBBLED,
HOBBLECTL and HOBBLE_GUARD. /tmp, /run, users, units and files are the boot's own: nothing has to be cleaned up, but a test
that leaves the daemon running leaves it to the next one. One test alone: ./test-x.py a_service_is_hobbled.
"""

import atexit
import functools
import json
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(_HERE, "../kernel"), os.path.join(_HERE, "..")]

from kernel.harness import *  # noqa: E402
from kernel.harness import main as _main  # noqa: E402
from kernel.harness import _hobbleds, _tests  # noqa: E402,F401
from kernel.harness import LOOP  # noqa: E402,F401

ROOT = os.path.realpath(os.path.join(_HERE, "../.."))
BOOTED = "HOBBLE_BOOT" in os.environ


def run(*command, status=0, timeout=30, **options):
    """Run a command to its end; fails unless its exit status is this one (None: any). The CompletedProcess has text."""
    options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, **options)
    check(status in (None, done.returncode),
          f"{shlex.join(map(str, command))}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


# -- systemd --------------------------------------------------------------------------------------------------

def systemctl(*arguments, **options):
    return run("systemctl", *arguments, **options)


def show(unit, name, *options):
    """A property of a unit, as text."""
    return systemctl(*options, "show", "--value", f"--property={name}", unit).stdout.strip()


def active(unit):
    return show(unit, "ActiveState") == "active"


def main_pid(unit):
    """Its main process, None where there is none."""
    return int(show(unit, "MainPID") or 0) or None


def unit_cgroup(unit):
    """The directory of a unit's cgroup, None where it has none."""
    path = show(unit, "ControlGroup")
    return CGROOT + path if path else None


def in_unit(pid, unit):
    """Whether a process is in the unit's cgroup itself, not in one below."""
    return cgroup_of(pid) == unit_cgroup(unit)


def write_unit(name, text):
    """A unit file, or a drop-in (NAME.d/x.conf), and daemon-reload."""
    path = os.path.join("/etc/systemd/system", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, text)
    systemctl("daemon-reload")


def service(name, script, *properties):
    """Start a transient service that runs a shell script. Returns its main process."""
    run("systemd-run", "--quiet", f"--unit={name}", *(f"--property={p}" for p in properties),
        "sh", "-c", script.replace("$", "$$"))
    return wait_until(lambda: main_pid(f"{name}.service"), 5, f"{name}.service has a main process")


# -- The journal ----------------------------------------------------------------------------------------------

def journal(*matches, cursor=None):
    """Entries as dictionaries, oldest first. Matches are journalctl's: "-u", "hobbled" or "FIELD=value"."""
    after = [f"--since=@{cursor:.6f}"] if cursor else []
    run("journalctl", "--sync")
    out = run("journalctl", "--quiet", "--no-pager", "--output=json", "--all", *after, *matches).stdout
    return [json.loads(line) for line in out.splitlines()]


def cursor():
    """Now, for journal(cursor=...). After the cursor of journalctl's last entry, what follows is sometimes missed."""
    run("journalctl", "--sync")
    return time.time()


def wait_journal(pattern, *matches, cursor=None, timeout=5):
    """Wait for an entry whose MESSAGE has this in it (a regular expression); returns the entry."""
    def find():
        return next((e for e in journal(*matches, cursor=cursor) if re.search(pattern, str(e.get("MESSAGE")))), None)

    return wait_until(find, timeout, f"the journal says {pattern!r}")


# -- hobbled --------------------------------------------------------------------------------------------------

def tarpit(name, text):
    """Write /etc/hobbled/NAME.tarpit; hobbled learns of it when it is reloaded. Returns the path."""
    os.makedirs("/etc/hobbled", exist_ok=True)
    path = f"/etc/hobbled/{name}.tarpit"
    write(path, text)
    return path


def listing():
    """What hobblectl list says: a dictionary for each subject."""
    return next(iter(json.loads(hobblectl("list", "--json").stdout or "{}").values()), [])


def listed(*pids):
    """Whether each of the processes is the root of a subject."""
    return set(pids) <= {int(entry["pid"]) for entry in listing() if entry["pid"]}


# -- Users ----------------------------------------------------------------------------------------------------

@functools.cache
def user(name):
    """Make a user with a home directory, once. Returns the uid."""
    run("useradd", "--create-home", "--shell=/bin/sh", name)
    return pwd.getpwnam(name).pw_uid


def _pid_from(path, what):
    return int(wait_until(lambda: read(path).strip(), 10, what))


def _job(script):
    """A file with the script, for a shell of any user, that begins with telling its pid in another; both names."""
    folder = tempfile.mkdtemp(prefix="hobble-job-", dir="/tmp")
    os.chmod(folder, 0o777)
    job, told = os.path.join(folder, "job"), os.path.join(folder, "pid")
    write(job, f"echo $$ >{told}\n{script}\n")
    return job, told


class Session:
    """A login session of a user, in which a shell runs a script. `pid` is the shell's."""

    def __init__(self, name, script):
        user(name)
        job, told = _job(script)
        self.process = subprocess.Popen(
            ["systemd-run", "--quiet", "--wait", "--pipe", f"--property=User={name}", "--property=PAMName=login",
             "sh", job], stdin=subprocess.DEVNULL)
        self.pid = _pid_from(told, f"the session of {name} runs")
        self.cgroup = cgroup_of(self.pid)
        self.scope = os.path.basename(self.cgroup)
        self.id = self.scope.removeprefix("session-").removesuffix(".scope")
        check(self.scope.startswith("session-"), f"{self.pid} is in a session, not in {self.cgroup}")

    def exists(self):
        """Whether logind still has the session."""
        return self.id in run("loginctl", "list-sessions", "--no-legend").stdout.split()


def as_user(name, *command, **options):
    """Run a command as a user for whom `systemd --user` lingers; run()'s result."""
    uid = user(name)
    run("loginctl", "enable-linger", name)
    wait_until(lambda: os.path.exists(f"/run/user/{uid}/systemd/private"), 10, f"systemd --user of {name} runs")
    return run("runuser", "-u", name, "--", "env", f"XDG_RUNTIME_DIR=/run/user/{uid}", *command, **options)


def user_service(name, unit, script):
    """Start a transient service of a lingering user's systemd that runs a script. Returns the shell's pid."""
    job, told = _job(script)
    as_user(name, "systemd-run", "--user", "--quiet", f"--unit={unit}", "sh", job)
    return _pid_from(told, f"{unit} of {name} runs")


def user_scope(name, unit, script):
    """Start a transient scope of a lingering user's systemd, in which a shell runs a script. Returns the shell's pid."""
    job, told = _job(script)
    as_user(name, "sh", "-c", f"setsid systemd-run --user --quiet --scope --unit={unit} sh {job} >/dev/null 2>&1 &")
    return _pid_from(told, f"{unit} of {name} runs")


def cron_job(name, script):
    """Have cron run a script as a user now. Returns the shell's pid."""
    user(name)
    job, told = _job(script)
    write(f"/etc/cron.d/hobble-{name}", f"@reboot {name} exec sh {job}\n")
    systemctl("stop", "cron")
    if os.path.exists("/run/crond.reboot"):  # else it takes itself for started again, not for booted
        os.unlink("/run/crond.reboot")
    systemctl("start", "cron")
    return _pid_from(told, f"the cron job of {name} runs")


def at_job(name, script):
    """Have at run a script as a user now. Returns the shell's pid."""
    user(name)
    job, told = _job(script)
    systemctl("start", "atd")
    run("runuser", "-u", name, "--", "at", "-f", job, "now", cwd="/")
    return _pid_from(told, f"the job of {name} runs")


# -- Running --------------------------------------------------------------------------------------------------

def build_path(*parts):
    """A path in the build directory. Readable inside, where what is written there is lost."""
    return os.path.join(program("HOBBLE_BUILD"), *parts)


def _install_outside():
    """Each test for itself: others may run at the same time."""
    target = tempfile.mkdtemp(prefix="root-", dir=build_path("tests/system"))
    atexit.register(shutil.rmtree, target, ignore_errors=True)
    run("meson", "install", "-C", build_path(), "--no-rebuild", "--destdir", target, timeout=120)
    os.chmod(target, 0o755)
    os.environ["HOBBLE_INSTALLED"] = target


def _install_inside():
    run("cp", "-a", f"{program('HOBBLE_INSTALLED')}/.", "/")
    run("ldconfig")
    systemctl("daemon-reload")
    systemctl("reload", "dbus")  # for the policy and the service of the bus, in directories that it may not watch
    run("systemd-sysusers", "hobbled.conf")
    run("journalctl", "--update-catalog")


def _skip_all(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def in_systemd(timeout):
    """The command that boots a systemd beside this one, and ends it after so many seconds."""
    command = os.path.join(_HERE, "in-systemd")
    probe = run(command, "--timeout=30", "--", "true", status=None, timeout=60)
    if probe.returncode:
        _skip_all(f"no machine can be booted here: {(probe.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    shown = [] if build_path().startswith(f"{ROOT}/") else [f"--ro={build_path()}"]
    return [command, f"--timeout={timeout}", *shown, "--", sys.executable]


def _boot(command):
    """Run this file again with a command that boots a machine for it; ends this process as it did."""
    with subprocess.Popen([*command, os.path.realpath(sys.argv[0]), *sys.argv[1:]],
                          stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT) as child:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda n, _: child.send_signal(n))
        said = []
        for line in child.stderr:
            said.append(line.strip())
            print("#", line.rstrip(), flush=True)
    if child.returncode == 77:
        _skip_all(said[-1] if said else f"{command[0]} cannot boot here")
    sys.exit(child.returncode if child.returncode >= 0 else 128 - child.returncode)


def main(timeout=110, install=True, before=lambda: None, machine=in_systemd):
    """Run the tests in a booted machine that is ended after so many seconds, and exit. install: with this build
    installed; before: called outside, before the boot; machine: what gives the command that boots."""
    if BOOTED:
        if install:
            _install_inside()
            prefix = program("HOBBLE_PREFIX")
            os.environ |= {"HOBBLED": f"{prefix}/sbin/hobbled", "HOBBLECTL": f"{prefix}/bin/hobblectl",
                           "HOBBLE_GUARD": f"{prefix}/libexec/hobbled/hobble-guard"}
        return _main()
    if os.geteuid():
        _skip_all("needs root")
    try:
        before()
        if install:
            _install_outside()
    except Skip as e:
        _skip_all(e)
    os.environ.pop("LD_LIBRARY_PATH", None)  # meson's, to what is not installed
    return _boot(machine(timeout))
