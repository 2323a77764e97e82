#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl check-config and cat-config, the real binary: words, exit statuses, and the files that come along."""

import os
import re

import harness as h

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
GOOD = "[Tarpit]\nFrozenSec=200ms\n[Source]\nUser=root\n"


def room(name, **files):
    """A directory that stands for the root of the file system, with files: name, "__" for "/", and content."""
    path = os.path.join(h.scratch(), name)
    for file, content in files.items():
        full = os.path.join(path, file.replace("__", "/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        h.write(full, content)
    return path


def hobblectl(root, *arguments):
    return h.hobblectl(*arguments, env=os.environ | {"HOBBLED_CONFIG_ROOT": root})


def etc(root, name):
    return os.path.join(root, "etc/hobbled", name)


def put(root, name, content):
    os.makedirs(os.path.dirname(etc(root, name)), exist_ok=True)
    h.write(etc(root, name), content)


def expect(done, status, out, err=""):
    h.equal((status, out, err), (done.returncode, done.stdout, done.stderr), f"{done.args[1:]}")


@h.test
def nothing_to_find_says_nothing():
    root = room("nothing")
    expect(hobblectl(root, "check-config"), 0, "")
    put(root, "web.tarpit", GOOD)
    expect(hobblectl(root, "check-config"), 0, "")
    expect(hobblectl("", "check-config", etc(root, "web.tarpit")), 0, "")
    expect(hobblectl("", "check-config", "--config=" + etc(root, "")), 0, "")


@h.test
def each_finding_is_one_line():
    root = room("findings")
    pids = h.pidfile(1)
    put(root, "web.tarpit", GOOD + "User=no-such-user-here\nUser=%no-such-group-here\n[Tarpit]\nFrozenSecs=1s\n" +
        f"[Source]\nCgroup={pids}\nCgroup=/no/such\n")
    web = etc(root, "web.tarpit")
    warnings = (f"{web}:8: warning: unknown key \"FrozenSecs\" in [Tarpit]; ignored; did you mean FrozenSec=?\n"
                f"{web}:10: warning: \"{pids}\" is a file, not a cgroup: name it with PIDFile=\n"
                f"{web}:5: warning: there is no user \"no-such-user-here\" (yet)\n"
                f"{web}:6: warning: there is no group \"no-such-group-here\" (yet)\n")
    expect(hobblectl(root, "check-config"), 0, warnings)

    put(root, "bad\n.tarpit", "")
    os.makedirs(etc(root, "dir.tarpit"))
    os.mkfifo(etc(root, "fifo.tarpit"))
    os.symlink("/nonexistent", etc(root, "link.tarpit"))
    done = hobblectl(root, "check-config")
    expect(done, 1, f"{etc(root, 'dir.tarpit')}: error: is a directory, not a file\n"
                    f"{etc(root, 'fifo.tarpit')}: error: is not a regular file\n"
                    f"{etc(root, 'link.tarpit')}: error: is a link to nothing\n" + warnings)
    put(root, "bad\n.tarpit", GOOD)
    h.check("/bad\\x0a.tarpit: error: a tarpit cannot have this name" in hobblectl(root, "check-config").stdout,
            "a name with a line's end stays in one line")


@h.test
def wrong_command_lines():
    root = room("lines")
    for arguments, words in ((["check-config", "--nope"], "unknown option '--nope'"),
                             (["check-config", "--config=/etc", "/etc/x"], "--config and single files exclude"),
                             (["cat-config", "x"], "argument 'x' is one too many"),
                             (["cat-config", "--tarpit"], "option '--tarpit' needs a value"),
                             (["check-confg"], "did you mean 'check-config'?")):
        done = hobblectl(root, *arguments)
        h.equal((2, ""), (done.returncode, done.stdout), f"{arguments}")
        h.check(words in done.stderr, f"{arguments} says {done.stderr!r}")
    done = hobblectl(root, "cat-config", "--tarpit=none")
    expect(done, 3, "", "hobblectl: there is no tarpit 'none' in the configuration\n")
    done = hobblectl(root, "check-config", "--config=/nonexistent")
    expect(done, 1, "/nonexistent: error: cannot be read: No such file or directory\n")
    done = hobblectl(root, "check-config", "/nonexistent/a.tarpit", "/nonexistent/hobbled.conf")
    h.equal((1, 2), (done.returncode, len(done.stdout.splitlines())), "two files that are not there")


@h.test
def help_fits_in_80_columns():
    for verb in ("check-config", "cat-config"):
        done = h.hobblectl(verb, "--help")
        h.equal((0, ""), (done.returncode, done.stderr), f"{verb} --help")
        h.check("--config=DIR" in done.stdout, done.stdout)
        for line in done.stdout.splitlines():
            h.check(len(line) <= 80, f"{verb} --help: {len(line)} columns: {line}")


@h.test
def cat_config_tells_where_values_are_from():
    root = room("cat", usr__lib__hobbled__web_tarpit="")
    put(root, "web.tarpit", GOOD + "User=nobody\n")
    put(root, "web.tarpit.d/10-slow.conf", "[Tarpit]\nThawedSec=5ms\n")
    put(root, "hobbled.conf", "[Exempt]\nCommand=rsync\n")
    web, drop = etc(root, "web.tarpit"), etc(root, "web.tarpit.d/10-slow.conf")
    done = hobblectl(root, "cat-config")
    h.equal((0, ""), (done.returncode, done.stderr), "cat-config")
    for words in (f"# hobbled\n\n[Hobbled]\n# default\nRealTimePriority=90\n",
                  f"# {etc(root, 'hobbled.conf')}:2\nCommand=rsync\n", "# tarpit web\n\n[Tarpit]\n",
                  f"# {web}:2\nFrozenSec=200ms\n", f"# {drop}:2\nThawedSec=5ms\n", "# default\nPlacement=auto\n",
                  f"# {web}:4\nUser=root\n# {web}:5\nUser=nobody\n"):
        h.check(words in done.stdout, f"{words!r} is in\n{done.stdout}")
    h.check(done.stdout.index("# hobbled\n") < done.stdout.index("# tarpit web\n"), "what is global comes first")

    put(root, "slow.tarpit", "[Tarpit]\nDuty=5%\n[Source]\nUser=nobody\nnonsense\n")
    done = hobblectl(root, "cat-config", "--tarpit=slow")
    h.check(f"# {etc(root, 'slow.tarpit')}:2\nFrozenSec=190ms\n" in done.stdout, "what Duty= makes of it")
    h.check("Hobbled" not in done.stdout and "tarpit web" not in done.stdout, "nothing else is shown")
    h.equal(0, done.returncode, "status")
    h.check("hobblectl check-config" in done.stderr, "it says that something is wrong")

    # What is shown can be used as a file, and is shown the same then.
    put(root, "again.tarpit", done.stdout)
    expect(hobblectl(root, "check-config", etc(root, "again.tarpit")), 0, "")
    again = hobblectl(root, "cat-config", "--tarpit=again").stdout
    plain = [[line for line in text.splitlines() if not line.startswith("#")] for text in (done.stdout, again)]
    h.equal(*plain, "shown again")


def displays(page):
    """The displays in the EXAMPLES of a man page, as text."""
    text = h.read(os.path.join(ROOT, "man", page)).partition(".Sh EXAMPLES")[2].partition(".Sh SEE ALSO")[0]
    for display in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.M | re.S):
        yield display.replace("\\e", "\\").replace("\\-", "-").replace("\\&", "")


def shown_by_cat_config(page):
    """What a man page shows of `cat-config --tarpit=slow | head -n N`: (N, lines)."""
    for display in displays(page):
        if command := re.search(r"# hobblectl cat-config --tarpit=slow \| head -n (\d+)\n", display):
            yield int(command[1]), display[command.end():].splitlines()


def example(page):
    """The files that a man page shows in its EXAMPLES: (name, content), from displays that begin with a comment."""
    for display in displays(page):
        name = re.match(r"# (/\S+)\n", display)
        if name:
            yield name[1], display


@h.test
def examples_of_the_man_pages_are_right():
    found = 0
    for page in ("hobbled.conf.5", "hobbled.tarpit.5"):
        root = room(f"man-{page}")
        for name, content in example(page):
            full = root + name
            os.makedirs(os.path.dirname(full), exist_ok=True)
            h.write(full, content)
            found += 1
        done = hobblectl(root, "check-config")
        wrong = [line for line in done.stdout.splitlines() if "(yet)" not in line]
        h.equal((0, []), (done.returncode, wrong), page)
        for number, said in shown_by_cat_config(page):
            got = hobblectl(root, "cat-config", "--tarpit=slow").stdout.replace(root, "").splitlines()
            h.equal(said, got[:number], f"what {page} shows")
    h.check(found >= 5, f"there are examples ({found})")


@h.test
def what_hobblectl_1_shows_is_what_it_says():
    root = room("man-hobblectl")
    put(root, "web.tarpit", "[Tarpit]\nFrozenSecs=1s\nThawedSec=20ms\n[Source]\nUser=root\n")
    said = {"check-config": hobblectl("", "check-config", etc(root, "web.tarpit")).stdout}
    values = hobblectl(root, "cat-config", "--tarpit=web").stdout
    said["cat-config"] = "--\n".join(re.findall(r"((?:# .*\n\w+Sec=.*\n)+)", values))
    for verb, text in said.items():
        shown = [d for d in displays("hobblectl.1") if d.startswith(f"# hobblectl {verb}")]
        h.equal(1, len(shown), f"displays of {verb}")
        h.equal(text.replace(root, "").split(), shown[0].split("\n", 1)[1].split(), f"what is shown of {verb}")


@h.test
def the_example_tarpit_has_every_key_and_no_mistake():
    path = os.path.join(ROOT, "units", "example.tarpit")
    text = h.read(path)
    done = h.hobblectl("check-config", path)
    h.equal((0, 1), (done.returncode, done.stdout.count("\n")), f"as it is it has no source ({done.stdout})")
    h.check("no source" in done.stdout, done.stdout)

    keys = re.compile(r"^#([A-Z][A-Za-z]+=.*)$", re.M)
    root = room("example")
    put(root, "example.tarpit", keys.sub(r"\1", text))
    done = hobblectl(root, "check-config")
    wrong = [line for line in done.stdout.splitlines() if "(yet)" not in line and "say the same thing" not in line]
    h.equal((0, []), (done.returncode, wrong), "with all its keys")
    shown = hobblectl(root, "cat-config", "--tarpit=example").stdout
    for key in re.findall(r"^(\w+)=", shown, re.M):
        h.check(re.search(rf"^#{key}=", text, re.M), f"{key}= is in the example")


h.main()
