#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What scripts of this kind do, for the benchmark to compare with: naive.py asyncio|gevent|threads FILE

For each pid in the file, a task of its own in a loop: list the tree, SIGSTOP all of it, parents first, sleep 250 ms,
SIGCONT it in reverse, sleep 10 ms. It says "ready" when each tree has been stopped once. At SIGTERM it ends, and
everything is let go."""

import os
import signal
import sys

FROZEN, THAWED = 0.250, 0.010


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            return [int(c) for c in f.read().split()]
    except OSError:
        return []


def tree(pid):
    """The process and its descendants, parents first."""
    found = [pid]
    for p in found:
        found += children(p)  # the list grows while it is walked
    return found


def send(pids, sig):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


class Round:
    """Stops one tree again and again; the caller does the sleeping."""

    waiting = 0  # how many were not stopped yet

    def __init__(self, pid):
        self.pid, self.stopped = pid, []
        Round.waiting += 1
        self.new = True

    def stop(self):
        self.stopped = tree(self.pid)
        send(self.stopped, signal.SIGSTOP)
        if self.new:
            self.new = False
            Round.waiting -= 1
            if not Round.waiting:
                print("ready", flush=True)

    def go_on(self):
        send(reversed(self.stopped), signal.SIGCONT)


def with_asyncio(rounds):
    import asyncio

    async def task(r):
        while True:
            r.stop()
            await asyncio.sleep(FROZEN)
            r.go_on()
            await asyncio.sleep(THAWED)

    async def all_of_them():
        await asyncio.gather(*(task(r) for r in rounds))

    asyncio.run(all_of_them())


def with_gevent(rounds):
    import gevent

    def task(r):
        while True:
            r.stop()
            gevent.sleep(FROZEN)
            r.go_on()
            gevent.sleep(THAWED)

    gevent.joinall([gevent.spawn(task, r) for r in rounds])


def with_threads(rounds):
    import threading
    import time

    def task(r):
        while True:
            r.stop()
            time.sleep(FROZEN)
            r.go_on()
            time.sleep(THAWED)

    for r in rounds:
        threading.Thread(target=task, args=(r,), daemon=True).start()
    while True:
        signal.pause()


def main():
    method = {"asyncio": with_asyncio, "gevent": with_gevent, "threads": with_threads}[sys.argv[1]]
    with open(sys.argv[2], encoding="ascii") as f:
        rounds = [Round(int(line)) for line in f]

    def end(_signal, _frame):
        for r in rounds:
            r.go_on()
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    method(rounds)


main()
