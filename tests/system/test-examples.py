#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples of the man pages, on a machine where they mean something: each is run as it is written and ends as it
should, and where the page shows what is printed, the first line of that is printed.

An example that is not in EXAMPLES below is run as it is, and has to end with status 0."""

import contextlib
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import time

import harness as h  # before those that import it from beside them
from following import Following, wait_in

PAGES = ["hobblectl.1", "hobblectl-run.1", "org.hobbled1.5"]
ESCAPES = {r"\e": "\\", r"\-": "-", r"\&": "", r"\(dq": '"', r"\[u2514]": "└", r"\[u2500]": "─", r"\[u251C]": "├"}

# With the mistake that hobblectl(1) shows in the second line, and the time that it shows in the third.
WEB = "[Tarpit]\nFrozenSecs=300ms\nThawedSec=20ms\n[Source]\nUnit=web.service\n"
CRAWLERS = "[Source]\nUnit=crawlers.service\n"
FAKE_SSH = '#!/bin/sh\n[ "$1" = -- ] && [ "$2" = root@login1 ] || exit 255\nexec sh -c "$3"\n'
USER = "ann"
LONGEST = 12  # seconds for a command, or until an example that goes on has printed something


# -- What the pages have --------------------------------------------------------------------------------------

def plain(text):
    """mdoc text as it is displayed."""
    def character(escape):
        h.check(escape[0] in ESCAPES, f"an escape sequence that this test does not know: {escape[0]}")
        return ESCAPES[escape[0]]

    return re.sub(r"\\(\[.*?\]|\(..|.)", character, text)


def displayed(lines):
    """What a display has: (prompt, command, first line of output or None). A command goes on after a backslash or a bar
    at the end of its line, and up to the end of its here-document."""
    lines = [line for line in lines if line.strip()]
    while lines:
        line = lines.pop(0)
        h.check(line[:2] in ("# ", "$ "), f"a display that does not begin with a command: {line}")
        command = line[2:]
        while command.endswith(("\\", "|")):
            command += "\n" + lines.pop(0)
        if here := re.search(r"<<(\w+)$", command):
            while command.rsplit("\n", 1)[-1] != here[1]:
                command += "\n" + lines.pop(0)
        output = []
        # What cat-config prints begins with "# " as well, but not with the name of a program.
        while lines and not re.match(r"[#$] (hobblectl|busctl|systemctl|python3)\b", lines[0]):
            output.append(lines.pop(0))
        yield line[0], command, output[0] if output else None


def examples(page):
    """The examples of a page in their order: (prompt, command, first line of output or None)."""
    text = h.read(os.path.join(h.ROOT, "man", page)).partition(".Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    for line, display in re.findall(r"^\.Dl ([^\n]*)$|^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S):
        yield from displayed(plain(line or display).splitlines())


def masked(line):
    """A line without what is another each time: numbers, and how wide the columns are."""
    return re.sub(r"\d+", "N", " ".join(line.split()))


# -- Where they are run ---------------------------------------------------------------------------------------

def executable(path, text):
    h.write(path, text)
    os.chmod(path, 0o755)


def working_directory(name, owner=None):
    """A directory with what the examples work on."""
    path = os.path.join(h.scratch(), name)
    os.mkdir(path)
    h.write(f"{path}/big.log", "a line\n" * 1000)
    h.write(f"{path}/Makefile", "all:\n\techo built >built\n")
    executable(f"{path}/crawl", "#!/bin/sh\necho $* >crawled\n")
    if owner:
        os.chmod(h.scratch(), 0o755)
        shutil.chown(path, owner)
    return path


class Scene:
    """hobbled.service with the tarpits web and crawlers, somebody in each, and a process that is free."""

    def __init__(self):
        self.place, self.home = working_directory("root"), working_directory("user", h.user(USER))
        programs = os.path.join(h.scratch(), "bin")
        os.mkdir(programs)
        executable(f"{programs}/ssh", FAKE_SSH)
        executable(f"{programs}/crawl", f"#!/bin/sh\n{h.LOOP}\n")
        # Not the python3 of whoever builds: that of the system has the modules of the system.
        self.path = f"{programs}:{os.path.dirname(h.program('HOBBLECTL'))}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.web = h.service("web", h.LOOP)
        self.hobbled = h.service("crawlers", f"exec {programs}/crawl --everything")
        self.free = h.service("free", h.LOOP)
        self.following = Following(web=WEB, crawlers=CRAWLERS)

    def __enter__(self):
        self.following.__enter__()
        self.wait()
        return self

    def __exit__(self, *error):
        self.following.__exit__(*error)
        h.systemctl("stop", "web", "crawlers", "free")

    def wait(self):
        """Until hobbled is at work and on the bus."""
        wait_in("web", self.web)
        wait_in("crawlers", self.hobbled)
        h.wait_until(lambda: "org.hobbled1" in h.run("busctl", "list", "--acquired", "--no-legend").stdout.split(), 10,
                     "org.hobbled1 is owned")

    def words(self, command):
        """The shell that runs a command, of which each part has to succeed."""
        pids = {"4711": str(self.hobbled), "24920": str(self.free)}
        command = re.sub(r"\b(4711|24920)\b", lambda match: pids[match[1]], command)
        return ["env", f"PATH={self.path}", "bash", "-o", "pipefail", "-c", command]

    def run(self, prompt, command):
        """Run a command to its end, as root or as a user. Returns its status and what it has printed."""
        if prompt == "$":
            done = h.as_user(USER, *self.words(command), cwd=self.home, status=None, timeout=LONGEST)
        else:
            done = h.run(*self.words(command), cwd=self.place, status=None, timeout=LONGEST)
        return done.returncode, done.stdout + done.stderr


# -- What single ones need ------------------------------------------------------------------------------------

@contextlib.contextmanager
def freed(scene):
    """Nobody has asked for the free one."""
    h.hobblectl("release", "--quiet", str(scene.free))
    yield


@contextlib.contextmanager
def nothing_but_a_run(scene):
    """The daemon is not there, nor its guard, and one command runs, hobbled."""
    h.systemctl("stop", "hobbled", "hobble-pit")
    front = subprocess.Popen([h.program("HOBBLECTL"), "run", "--", "sleep", "1000"], stderr=subprocess.DEVNULL)
    try:
        command = h.wait_until(h.listing, 5, "it is hobbled")[0]["pid"]
        yield
        h.kill(int(command))
    finally:
        front.terminate()
        front.wait()
        h.systemctl("start", "hobbled")
        scene.wait()


@contextlib.contextmanager
def a_run_of_the_user(_scene):
    job = h.user_service(USER, "runs", f"exec {h.program('HOBBLECTL')} run -- sleep 1000")
    try:
        h.wait_until(lambda: any(e["command"] == "sleep" for e in h.listing()), 5, "it is hobbled")
        yield
    finally:
        h.as_user(USER, "systemctl", "--user", "stop", "app-hobble.slice")
    h.wait_until(lambda: not h.alive(job), 5, "it has ended")


def hobble(scene):
    """Make something happen."""
    h.hobblectl("release", "--quiet", str(scene.free))
    h.hobblectl("hobble", "--quiet", str(scene.free))
    time.sleep(0.2)


@dataclasses.dataclass
class Example:
    """What there is to know about an example."""
    replace: tuple = ()  # pairs of texts, for what would take too long
    scene: object = contextlib.nullcontext  # what it is run in
    status: int = 0
    until: object = None  # it goes on until it is ended; this is called until it has printed what the page shows
    makes: str = None  # a file, not empty, in the directory it is run in
    says: str = None  # a regular expression that is in what it prints
    late: str = None  # the same of what it prints where somebody else was faster, instead of what the page shows
    needs: str = None  # a command that fails where what it needs is not installed: it is not run there
    skip: str = None  # why it cannot be run


EXAMPLES = {
    "hobblectl list --json | jq '.subjects[] | select(.share > 3) | .pid'": Example(says=r"^\d+$"),
    "hobblectl list --noheadings --raw --output PID,USER": Example(says=r"^\d+ root$"),
    """hobblectl tree --json | jq -r '.tarpits[] | .tree as $t | .children[] | $t + " " + .command'""":
        Example(says=r"^crawlers crawl$"),
    "hobblectl top -b -d 10s -n 60 --filter=crawlers --reverse > crawlers.txt":
        Example(replace=(("-d 10s -n 60", "-d 200ms -n 3"),), makes="crawlers.txt"),
    "hobblectl hobble --for=10min 24920": Example(scene=freed),
    "hobblectl hobble --dry-run 24920": Example(scene=freed),
    "hobblectl monitor": Example(until=hobble),
    "hobblectl -H root@login1 list": Example(says=r"^SUBJECT +PID"),
    "hobblectl rescue --all": Example(scene=nothing_but_a_run, late="^nothing left to rescue in 1 instance"),
    "hobblectl run -- gzip -k big.log &": Example(replace=(("&", "& wait $!"),), makes="big.log.gz"),
    "hobblectl run --duty=20% -- make": Example(makes="built"),
    "systemctl --user status app-hobble.slice": Example(scene=a_run_of_the_user, says="sleep 1000"),
    "hobblectl run --frozen=1s --thawed=50ms -- ./crawl --everything": Example(makes="crawled"),
    "busctl --json=short monitor": Example(until=hobble),
    "python3 - <<END": Example(needs="python3 -c 'import dbus'"),
}


def name_of(command):
    """What it is called in EXAMPLES: its first line, without what tells that it goes on."""
    return command.split("\n")[0].removesuffix(" \\")


# -- Running them ---------------------------------------------------------------------------------------------

def printed(shown, said):
    """Whether what the page shows, which may go on in another line there, is the beginning of a line."""
    return any(masked(line).startswith(masked(shown)) for line in said.splitlines())


def go_on(scene, example, command, shown):
    """Start an example that goes on, let something happen until it shows, and end it as Control-C does."""
    told = os.path.join(h.scratch(), "told")
    with open(told, "w", encoding="utf-8") as out, \
            subprocess.Popen(scene.words(command), cwd=scene.place, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT, process_group=0) as process:
        def shows():
            h.check(process.poll() is None, f"{command}: ended with {process.returncode}: {h.read(told)}")
            if not printed(shown, h.read(told)):
                example.until(scene)
            return printed(shown, h.read(told))

        try:
            h.wait_until(shows, LONGEST, f"{command}: shows {shown!r}")
        except h.Failure:
            h.note(h.read(told))
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        process.wait(LONGEST)
    h.check(process.returncode in (0, -signal.SIGINT, 128 + signal.SIGINT), f"{command}: status {process.returncode}")


def run_to_the_end(scene, example, prompt, command, shown):
    place = scene.home if prompt == "$" else scene.place
    if example.makes and os.path.exists(f"{place}/{example.makes}"):
        os.unlink(f"{place}/{example.makes}")
    status, said = scene.run(prompt, command)
    h.equal(example.status, status, f"{command}: the status, and {said}")
    if shown and not (example.late and re.search(example.late, said, re.M)):
        h.check(printed(shown, said.partition("\n")[0]), f"{command}: the page shows {shown!r}, and it says\n{said}")
    if example.says:
        h.check(re.search(example.says, said, re.M), f"{command}: {example.says!r} is not in\n{said}")
    if example.makes:
        made = f"{place}/{example.makes}"
        h.check(os.path.exists(made) and os.path.getsize(made), f"{command}: {example.makes} is missing or empty")


def run_example(scene, prompt, command, shown):
    """Run an example of a page. Returns what is wrong with it, None: nothing."""
    example = EXAMPLES.get(name_of(command)) or Example()
    missing = example.needs and scene.run("#", example.needs)[0] and f"it needs {example.needs}"
    if why := example.skip or missing:
        h.note(f"not run: {command}: {why}")
        return None
    for old, new in example.replace:
        h.check(old in command, f"{old!r} is in {command!r}")
        command = command.replace(old, new)
    try:
        with example.scene(scene):
            if example.until:
                go_on(scene, example, command, shown or "")
            else:
                run_to_the_end(scene, example, prompt, command, shown)
    except (h.Failure, subprocess.TimeoutExpired) as e:
        return str(e)
    return None


@h.test
def all_examples_do_what_the_pages_say():
    with Scene() as scene:
        wrong, seen = [], set()
        for page in PAGES:
            found = list(examples(page))
            h.check(found, f"{page} has examples")
            for prompt, command, shown in found:
                seen.add(name_of(command))
                if why := run_example(scene, prompt, command, shown):
                    wrong.append(f"{page}: {why}")
        h.check(not wrong, "\n".join(wrong))
        h.equal(set(), set(EXAMPLES) - seen, "what is known of examples that no page has")


h.main(timeout=100)
