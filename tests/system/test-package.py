#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian packages on a machine: installed, enabled, upgraded while processes are hobbled, removed, purged.

The tests are the life of one machine and build on each other. The packages are built outside, where a source is newer than
those of the last time; the next version is the same under a higher number, so that dpkg replaces every file.
"""

import os
import pwd
import shutil
import subprocess

import harness as h

VICTIMS = 5
PIDS = "/run/naughty.pids"
TARPIT = "/etc/hobbled/busy.tarpit"
UNITS = ("hobbled.service", "hobble-pit.service")
victims = {}  # start time of each, by pid
shipped = []  # files of the packages
before = set()  # see traces()


def packages(version):
    folder = h.build_path("tests/system/packages", version)
    return [os.path.join(folder, name) for name in sorted(h.entries(folder)) if name.endswith(".deb")]


def newest_source():
    """When the last change was made to anything that goes into the packages."""
    folders = [os.path.join(h.ROOT, name) for name in ("completions", "include", "man", "scripts/packaging", "src", "units")]
    files = [os.path.join(folder, name) for top in folders for folder, _, names in os.walk(top) for name in names]
    files += [os.path.join(h.ROOT, name) for name in ("meson.build", "meson_options.txt", "scripts/package")]
    return max(os.stat(name).st_mtime for name in files)


def build():
    """Both versions, below the build directory."""
    built, following = (h.build_path("tests/system/packages", v) for v in ("built", "next"))
    if packages("built") and min(os.stat(p).st_mtime for p in packages("built")) > newest_source():
        return
    shutil.rmtree(following, ignore_errors=True)
    # Other tests run at the same time, and mostly wait.
    h.run("nice", "-n10", os.path.join(h.ROOT, "scripts/package"), built, timeout=260,
          env={**os.environ, "DEB_BUILD_OPTIONS": "noautodbgsym"})
    os.makedirs(following)
    for package in packages("built"):
        tree = os.path.join(following, "tree")
        h.run("dpkg-deb", "--raw-extract", package, tree)
        control = h.read(f"{tree}/DEBIAN/control")
        version = h.run("dpkg-deb", "--field", package, "Version").stdout.strip()
        h.write(f"{tree}/DEBIAN/control", control.replace(version, f"{version}+1"))
        h.run("dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, following)
        shutil.rmtree(tree)


def installed(package):
    """Version and state that dpkg has of a package, None where it has none."""
    done = h.run("dpkg-query", "--show", "--showformat=${Version} ${db:Status-Status}", package, status=None)
    return done.stdout.split() if done.returncode == 0 else None


def traces():
    """The files whose name has to do with hobbled, where packages, systemd and daemons keep state."""
    return set(h.run("find", "/etc", "/etc/systemd/system", "/run", "/var", "-xdev", "-path", "/run/hobble-boot", "-prune",
                     "-o", "-iname", "*hobble*", "-print").stdout.splitlines())


def start_victims():
    for number in range(VICTIMS):
        pid = h.service(f"victim-{number}", h.LOOP, "Nice=19")  # before and after, dpkg goes first
        victims[pid] = h.start_time(pid)
    h.write(PIDS, "".join(f"{pid}\n" for pid in victims))
    os.chmod(PIDS, 0o644)


def all_alive():
    return all(h.alive(pid) and h.start_time(pid) == begin for pid, begin in victims.items())


def all_at_home():
    return all(h.in_unit(pid, f"victim-{number}.service") for number, pid in enumerate(victims))


def all_run():
    """Each of them uses its CPU within the next seconds."""
    used = {pid: h.cpu_usec_of(pid) for pid in victims}
    h.wait_until(lambda: all(h.cpu_usec_of(pid) > used[pid] for pid in victims), 10, "each of them runs now and then")


@h.test
def it_is_installed_and_off():
    for path in ("/usr/sbin/policy-rc.d", "/var/lib/man-db/auto-update"):
        if os.path.exists(path):  # containers' ban on services; seconds of work for man-db after each dpkg
            os.unlink(path)
    h.equal(None, installed("hobbled"), "what dpkg has before")
    before.update(traces())
    h.run("dpkg", "--install", *packages("built"), timeout=60)
    h.equal("installed", installed("hobbled")[1], "the package")
    h.equal("disabled", h.systemctl("is-enabled", "hobbled", status=None).stdout.strip(), "the service")
    h.equal([False, False], [h.active(unit) for unit in UNITS], "whether the units run")
    h.check(pwd.getpwnam("hobbled").pw_uid < 1000, "there is a system user")
    shipped.extend(h.run("dpkg", "--listfiles", "hobbled").stdout.split())
    h.check("hobbled" in h.run("journalctl", "--list-catalog").stdout.lower(), "the journal has the catalog")
    for page in ("hobbled", "hobblectl", "hobbled.conf", "hobbled.tarpit"):
        h.run("man", "--where", page)


@h.test
def it_is_enabled_and_says_what_to_write():
    h.systemctl("enable", "--now", "hobbled")
    h.wait_until(lambda: all(map(h.active, UNITS)), 5, "both units run")
    h.wait_journal("/etc/hobbled", "-u", "hobbled")
    h.equal([], h.listing(), "what is hobbled")


@h.test
def processes_are_hobbled():
    start_victims()
    h.write(TARPIT, f"[Tarpit]\nDescription=Test\n\n[Source]\nPIDFile={PIDS}\n")
    h.systemctl("reload", "hobbled")
    h.wait_until(lambda: h.listed(*victims), 10, "all are hobbled")
    h.equal(False, all_at_home(), "whether they are where they came from")
    all_run()


@h.test
def an_upgrade_loses_nobody():
    version, daemon, guard = installed("hobbled")[0], *map(h.main_pid, UNITS)
    with subprocess.Popen(["dpkg", "--install", *packages("next")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as dpkg:
        while dpkg.poll() is None:
            h.check(all_alive(), "all live while dpkg works")
        h.equal(0, dpkg.returncode, f"the exit status of dpkg: {dpkg.stdout.read()}")
    h.equal([f"{version}+1", "installed"], installed("hobbled"), "the package")
    h.wait_until(lambda: all(map(h.active, UNITS)), 5, "both units run")
    for unit, pid in zip(UNITS, (daemon, guard)):
        h.check(h.main_pid(unit) != pid, f"{unit} has been restarted")
        h.check(not os.readlink(f"/proc/{h.main_pid(unit)}/exe").endswith("(deleted)"), f"{unit} is the new program")
    h.wait_until(lambda: h.listed(*victims), 10, "all are hobbled again")
    h.check(all_alive(), "all live")
    all_run()
    h.equal("enabled", h.systemctl("is-enabled", "hobbled").stdout.strip(), "the service")


@h.test
def an_upgrade_of_what_is_stopped_starts_nothing():
    h.systemctl("stop", *UNITS)
    h.wait_until(all_at_home, 5, "all are at home")
    h.run("dpkg", "--install", *packages("next"), timeout=60)
    h.equal([False, False], [h.active(unit) for unit in UNITS], "whether the units run")
    h.systemctl("start", "hobbled")
    h.wait_until(lambda: h.listed(*victims), 10, "all are hobbled again")


@h.test
def removing_it_lets_everybody_go():
    h.run("dpkg", "--remove", "hobbled", timeout=60)
    h.check(all_alive(), "all live")
    h.wait_until(all_at_home, 5, "all are at home")
    h.equal([], h.anything_frozen(h.CGROOT), "what is frozen")
    h.check(os.path.exists(TARPIT), "what the administrator wrote is there")
    h.equal("", h.systemctl("list-units", "--plain", "--no-legend", "hobble*").stdout, "units that run or have failed")
    all_run()


@h.test
def a_purge_leaves_nothing():
    os.unlink(TARPIT)
    for package in ("libhobble0", "libhobble-dev"):
        shipped.extend(h.run("dpkg", "--listfiles", package).stdout.split())
    h.run("dpkg", "--purge", "hobbled", "libhobble-dev", "libhobble0", timeout=60)
    h.equal([None] * 3, [installed(p) for p in ("hobbled", "libhobble0", "libhobble-dev")], "what dpkg has")
    h.equal([], [f for f in shipped if not os.path.isdir(f) and os.path.lexists(f)], "files that are left")
    h.equal(set(), traces() - before, "what is left of its state")
    h.systemctl("daemon-reload")
    h.equal("", h.systemctl("list-units", "--all", "--plain", "--no-legend", "hobble*").stdout, "units that are left")
    h.equal("", h.run("getent", "passwd", "hobbled", status=None).stdout, "the user")
    h.check(all_alive(), "all live")


h.main(timeout=170, install=False, before=build)
