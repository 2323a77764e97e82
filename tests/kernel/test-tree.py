#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobblectl tree, and list: the same for root and for others."""

import json
import re
import shutil
import subprocess

import harness as h
from three import NOBODY, Three, compare


def columns(text):
    """Numbers of seconds masked, and one blank where there are several, as widths come of pids."""
    return re.sub(r"(?<=\S) +", " ", re.sub(r"\d+\.\d\d%?", "N", re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text)))


@h.test
def text_and_json():
    if not shutil.which("jq"):
        h.skip("jq is not installed")
    with Three() as three:
        said = three.hobblectl("tree", "--output=+KIND")
        h.check("\x1b" not in said, f"names are escaped: {said!r}")
        compare("tree.txt", columns(three.mask(said)))

        said = three.hobblectl("tree", "--json", "--output=+KIND,INSTANCE")
        done = subprocess.run(["jq", "."], input=said, capture_output=True, text=True, timeout=20, check=True)
        compare("tree-json.txt", re.sub(r'"cpu": [\d.e-]+', '"cpu": N', three.mask(done.stdout)))


@h.test
def arguments_choose():
    with Three() as three:
        whole = columns(three.mask(three.hobblectl("tree", "alpha")))
        h.check("ALPHA" in whole and "gamma" not in whole, whole)
        for pid in three.alpha, three.child:
            h.equal(whole, columns(three.mask(three.hobblectl("tree", pid))), "the tree of a member")
        both = three.hobblectl("tree", "gamma", three.plain, "--noheadings", "--output=TREE", "--raw")
        h.equal(["beta", "PLAIN", "sleep", "gamma", "GAMMA", "sh"], three.mask(both).split(), "two of them")
        h.check("neither a tarpit" in three.hobblectl("tree", "delta", status=3), "no such tarpit")
        h.check("neither a tarpit" in three.hobblectl("tree", 1, status=3), "a process that is not hobbled")


@h.test
def others_see_what_root_sees():
    with Three() as three:
        orphaned = h.spawn(["sh", "-c", "sleep 1000 & read x"], three.origin, stdin=subprocess.PIPE)
        h.wait_until(lambda: len(h.children(orphaned.pid)) == 1, 5, "it has a child")
        three.names |= {orphaned.pid: "ORPHANED", h.children(orphaned.pid)[0]: "ORPHAN"}
        three.hobblectl("hobble", "--tarpit=gamma", orphaned.pid)
        h.wait_until(lambda: len(three.hobbled.subjects()) == 5, 5, "it is hobbled")
        orphaned.communicate(b"\n", 10)
        h.wait_until(lambda: '"pid": null' in three.hobblectl("list", "--json", "--output=PID"), 5, "its root has ended")

        for verb in ("list",), ("tree",), ("tree", three.child):
            root, other = (columns(three.mask(three.hobblectl(*verb, uid=uid))) for uid in (0, NOBODY))
            h.equal(root, other, " ".join(map(str, verb)))
        names = three.hobblectl("tree", "--json", "--output=TREE,PID", uid=NOBODY)
        h.check(" ORPHAN" in three.mask(names), f"who lives on is in the tree:\n{names}")
        h.equal({"alpha", "beta", "gamma"}, {t["tree"] for t in json.loads(names)["tarpits"]}, "tarpits")


h.main()
