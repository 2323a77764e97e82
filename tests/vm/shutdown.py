# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of the machine, which is the last of the tests. As nobody is left then to say how it went, what systemd runs
last of all says it."""

import os
import time

import machine as m
import harness as h
from following import Following, wait_in
from limits import source

HOOK = "/usr/lib/systemd/system-shutdown/tell"
SECONDS = 20  # of the 90 that systemd gives a unit before it kills it

TELL = """#!/bin/sh
read -r now rest </proc/uptime
read -r then rest </run/test/began
took=$((${now%.*} - ${then%.*})) result="not ok"
[ $took -lt SECONDS ] && [ -e /run/test/nested ] && [ -e /run/test/moved ] && result=ok
{
        echo "# off after $took s; who has seen SIGTERM: $(cd /run/test && echo *ed)"
        echo "$result - NAME"
} >/dev/virtio-ports/out
echo 0 >/dev/virtio-ports/status
"""


@h.test
def the_machine_is_turned_off_without_delay_by_those_who_are_frozen():
    """They are so for nearly all the time, and want to do something before they end."""
    os.makedirs("/run/test")
    units = ("nested", "moved")
    pids = [h.service(unit, f"trap 'touch /run/test/{unit}; exit' TERM; while :; do sleep 0.1; done") for unit in units]
    place = h.cgroup("place")
    h.sleeper(place)
    tarpit = "[Tarpit]\nFrozenSec=60s\nThawedSec=1ms\nFreezeIdle=yes\n"
    follow = Following(nested=tarpit + "[Source]\nUnit=nested.service\n", moved=tarpit + source(pids[1]),
                       place=tarpit + f"[Source]\nCgroup={place}\n")
    follow.__enter__()
    wait_in("nested", pids[0])
    wait_in("moved", pids[1])
    for pid in pids:
        h.wait_until(lambda p=pid: h.frozen(h.cgroup_of(p)), 10, f"{h.cgroup_of(pid)} is frozen")
    h.wait_until(lambda: h.frozen(place), 10, f"{place} is frozen")

    name = the_machine_is_turned_off_without_delay_by_those_who_are_frozen.__name__
    h.write(HOOK, TELL.replace("SECONDS", str(SECONDS)).replace("NAME", name))
    os.chmod(HOOK, 0o755)
    h.write("/run/test/began", h.read("/proc/uptime"))
    h.systemctl("--no-block", "poweroff")
    time.sleep(100)
