#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What meson install puts where, for the prefixes of a distribution and of an administrator, and that it works there.

For each prefix a build of its own, kept in the build directory, is installed to a DESTDIR. Only running hobblectl at its
final place needs root: /opt is covered for it, in a mount namespace of its own.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["HOBBLE_BUILD"]) / "tests/install"
PROGRAM = r"""
#include <errno.h>
#include <hobble.h>
#include <stdio.h>

static int count(const struct hobble_entry *entry, void *userdata)
{
        ++*(unsigned *) userdata;
        return entry->subject ? 0 : -EINVAL;
}

int main(void)
{
        unsigned subjects = 0;
        int r = hobble_list(count, &subjects);

        printf("%s\n", hobble_version());
        return r < 0 && r != -EOPNOTSUPP;
}
"""


class Skip(Exception):
    pass


def run(*command, **options):
    """Run it; its output. What it says is told where it fails."""
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def equal(wanted, got, what):
    assert wanted == got, f"{what}: {got!r}, not {wanted!r}"


class Installation:
    """The project built for a prefix and installed to a DESTDIR."""

    def __init__(self, scratch, name, prefix, *options, env=None):
        build = BUILD / name
        env = {**os.environ, **(env or {})}
        env.pop("DESTDIR", None)
        if not (build / "build.ninja").exists():
            run("meson", "setup", build, ROOT, f"--prefix={prefix}", "-Dtests=disabled", "--buildtype=plain",
                *options, env=env)
        run("ninja", "-C", build, env=env)
        self.prefix, self.destdir = prefix, Path(scratch) / name
        run("meson", "install", "-C", build, "--no-rebuild", "--destdir", self.destdir)
        said = json.loads(run("meson", "introspect", "--buildoptions", build))
        self.libdir = next(option["value"] for option in said if option["name"] == "libdir")

    def path(self, *parts):
        """Where a path of the final place lies."""
        return Path(f"{self.destdir}{os.path.join(self.prefix, *parts)}")

    def files(self):
        return {f"/{p.relative_to(self.destdir)}" for p in self.destdir.rglob("*") if p.is_symlink() or not p.is_dir()}

    def elves(self):
        return [p for p in map(self.path, self.files())
                if not p.is_symlink() and p.open("rb").read(4) == b"\x7fELF"]


def expected(installation, units, sysusers, catalog, *, policy="/usr/share", services="/usr/share"):
    lib = installation.libdir
    return {os.path.join(installation.prefix, name) for name in (
        "sbin/hobbled", "bin/hobblectl", "libexec/hobbled/hobble-guard", "include/hobble.h", f"{lib}/libhobble.so",
        f"{lib}/libhobble.so.0", f"{lib}/libhobble.so.0.1.0", f"{lib}/pkgconfig/libhobble.pc",
        "share/man/man1/hobblectl.1", "share/man/man1/hobblectl-run.1",
        "share/man/man5/hobbled.conf.5", "share/man/man5/hobbled.tarpit.5",
        "share/man/man3/hobble.3", "share/man/man5/org.hobbled1.5",
        "share/man/man8/hobbled.8", "share/man/man8/hobbled.service.8",
        "share/doc/hobbled/examples/example.tarpit",
        "share/bash-completion/completions/hobblectl", "share/zsh/site-functions/_hobblectl",
    )} | {
        f"{units}/hobbled.service", f"{units}/hobble-pit.service", f"{units}/hobble.slice",
        f"{sysusers}/hobbled.conf", f"{catalog}/hobbled.catalog",
        f"{policy}/dbus-1/system.d/org.hobbled1.conf", f"{services}/dbus-1/system-services/org.hobbled1.service",
        "/usr/share/polkit-1/actions/org.hobbled1.policy",
    }


def check_list(installation, *directories, **others):
    wanted, got = expected(installation, *directories, **others), installation.files()
    assert wanted == got, f"missing: {sorted(wanted - got)}; not expected: {sorted(got - wanted)}"


def a_distributions_files(inst):
    """prefix /usr: each file is where it belongs, units where systemd.pc says"""
    said = [run("pkg-config", f"--variable={name}", "systemd").strip()
            for name in ("systemdsystemunitdir", "sysusersdir", "catalogdir")]
    check_list(inst["usr"], *said)


def an_administrators_files(inst):
    """prefix /opt/x, without systemd.pc: each file is where it belongs, units where systemd looks"""
    lib = "/usr/lib" if os.path.islink("/lib") else "/lib"
    check_list(inst["opt"], f"{lib}/systemd/system", "/usr/lib/sysusers.d", "/usr/lib/systemd/catalog")


def a_local_installations_files(inst):
    """prefix /usr/local, and a directory that an option names: nothing is put outside but there, and what is read nowhere else"""
    local = "/usr/local/lib"
    check_list(inst["local"], f"{local}/systemd/system", "/elsewhere/sysusers.d", f"{local}/systemd/catalog",
               policy="/etc", services="/usr/local/share")


def no_run_paths(inst):
    """nothing that is installed remembers where it was built"""
    for installation in inst.values():
        for elf in installation.elves():
            assert not re.search(r"\(R(UN)?PATH\)", run("readelf", "--dynamic", elf)), f"{elf} has a run path"
        for path in installation.files():
            real = installation.path(path)
            if real.suffix in (".pc", ".service", ".slice", ".conf"):
                assert str(BUILD) not in real.read_text(encoding="utf-8"), f"{path} names the build directory"


def units_name_what_is_there(inst):
    """each program that a unit names is installed, or the system's"""
    for installation in inst.values():
        for unit in (p for p in installation.files() if re.search(r"/system/.*\.service$", p)):
            commands = re.findall(r"^Exec\w+=[-@:+!]*(\S+)", installation.path(unit).read_text(encoding="utf-8"), re.M)
            assert commands, f"{unit} runs nothing"
            for command in commands:
                assert installation.path(command).exists() or shutil.which(command), f"{unit}: no {command}"


def build(installation, source, program):
    """Compile a program with what pkg-config says; the version that it says."""
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(installation.destdir),
           "PKG_CONFIG_PATH": str(installation.path(installation.libdir, "pkgconfig")),
           "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS": "1"}
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "libhobble", env=env))
    run(os.environ.get("CC", "cc"), "-Wall", "-Wextra", "-Werror", source, *flags, "-o", program)
    return run("pkg-config", "--modversion", "libhobble", env=env)


def another_program_links(inst):
    """a program built with what pkg-config says runs with the library, by its versioned symbols"""
    for installation in inst.values():
        source, program = installation.destdir / "program.c", installation.destdir / "program"
        source.write_text(PROGRAM, encoding="utf-8")
        version = build(installation, source, program)
        libraries = {"LD_LIBRARY_PATH": str(installation.path(installation.libdir))}
        equal(version, run(program, env={**os.environ, **libraries}), "the version of the library that runs")
        used = re.findall(r" U (hobble_\w+)@(\w+)", run("nm", "--dynamic", program))
        equal([("hobble_list", "HOBBLE_0"), ("hobble_version", "HOBBLE_0")], sorted(used), "the symbols it wants")


def the_example_hobbles(inst):
    """the example of hobble(3), built with what pkg-config says, hobbles a tree and lets it go"""
    if os.geteuid():
        raise Skip("needs root")
    if not any(" - cgroup2 " in line for line in open("/proc/self/mountinfo", encoding="utf-8")):
        raise Skip("no cgroup2 mount")
    installation = inst["usr"]
    folder = installation.destdir / "example"
    folder.mkdir()
    shutil.copy(installation.path("libexec/hobbled/hobble-guard"), folder)
    build(installation, ROOT / "man/hobble-example.c", folder / "hobble-example")
    env = {**os.environ, "LD_LIBRARY_PATH": str(installation.path(installation.libdir))}
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as busy:
        try:
            where = Path(f"/proc/{busy.pid}/cgroup")
            before = where.read_text(encoding="utf-8")
            said = run(folder / "hobble-example", busy.pid, 2, env=env, timeout=60)
            assert re.fullmatch(r"hobbled, with all of its processes: 1\n"
                                r"used [1-9]\d* ms, was frozen for [1-9]\d* ms\nreleased\n", said), f"it says {said!r}"
            equal(before, where.read_text(encoding="utf-8"), "the cgroup of what was hobbled")
        finally:
            busy.kill()


def the_guard_is_found(inst):
    """hobblectl run finds the guard in the prefix, and says so where it is missing"""
    if os.geteuid():
        raise Skip("needs root")
    if not any(" - cgroup2 " in line for line in open("/proc/self/mountinfo", encoding="utf-8")):
        raise Skip("no cgroup2 mount")
    namespace = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        raise Skip("mount namespaces cannot be made here, or / is no mount point (a chroot)")
    opt = inst["opt"]
    script = f"""
        set -e
        mount -t tmpfs none /opt
        mkdir /opt/x
        mount --bind {shlex.quote(str(opt.path()))} /opt/x
        export LD_LIBRARY_PATH=/opt/x/{opt.libdir}
        /opt/x/bin/hobblectl run -- sh -c 'exit 7' || [ $? = 7 ]
        mount -t tmpfs none /opt/x/libexec
        ! /opt/x/bin/hobblectl run -- true 2>&1
    """
    said = run(*namespace, "sh", "-c", script)
    assert "hobble-guard" in said, f"it says: {said!r}"


TESTS = [a_distributions_files, an_administrators_files, a_local_installations_files, no_run_paths,
         units_name_what_is_there, another_program_links, the_example_hobbles, the_guard_is_found]


def check(test, inst):
    try:
        test(inst)
        return True, ""
    except Skip as e:
        return True, f" # SKIP {e}"
    except AssertionError as e:
        print("\n".join(f"# {line}" for line in str(e).splitlines()))
        return False, ""


def main():
    print(f"1..{len(TESTS)}", flush=True)
    os.nice(10)  # other tests run at the same time, and mostly wait
    with tempfile.TemporaryDirectory(prefix="hobble-install-") as scratch:
        # Every .pc file but systemd's own.
        pc = Path(scratch) / "pc"
        pc.mkdir()
        for folder in run("pkg-config", "--variable=pc_path", "pkg-config").strip().split(":"):
            for file in Path(folder).glob("*.pc"):
                if file.name != "systemd.pc" and not (pc / file.name).exists():
                    (pc / file.name).symlink_to(file)
        inst = {
            "usr": Installation(scratch, "usr", "/usr"),
            "opt": Installation(scratch, "opt", "/opt/x", env={"PKG_CONFIG_LIBDIR": str(pc)}),
            "local": Installation(scratch, "local", "/usr/local", "-Dsysusersdir=/elsewhere/sysusers.d"),
        }
        good = True
        for number, test in enumerate(TESTS, 1):
            passed, skipped = check(test, inst)
            good &= passed
            print(f"{'ok' if passed else 'not ok'} {number} - {test.__doc__}{skipped}", flush=True)
    sys.exit(0 if good else 1)


main()
