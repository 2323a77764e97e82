#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hobbled on a whole machine, emulated: a boot for all of it, as that takes longest."""

import machine as m  # before those that import from beside it
import harness as h
import limits  # noqa: F401
import old_kernel  # noqa: F401
import shutdown  # noqa: F401  it is the last

h.main(timeout=240, machine=m.in_vm)
