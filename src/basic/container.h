/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Containers, as the names of their cgroups tell: nothing else is looked at. */

#include <stdbool.h>
#include <stddef.h>

/* Room for any: the name comes from one directory's. */
#define CONTAINER_MAX 288U

/* Write "KIND:NAME" to buf, which has room for CONTAINER_MAX bytes, of the container that a cgroup is of;
 * path: of the cgroup in the hierarchy. KIND is "docker", "podman", "kubernetes", "nspawn", "machine" (of
 * another program's that systemd-machined knows), "libvirt" (virtual machines, too) or "lxc"; NAME is the
 * container's name or, where its cgroup has its id only, the first 12 digits of that. Of a container in a
 * container it is the outer one: that is the one which whoever runs this host knows. Returns whether there is
 * one; else buf is "".
 *
 * Whoever may make cgroups may call them so, and the name may have any byte in it but NUL: it is for people,
 * who are to see it escaped, and nothing is to be decided by it. */
bool container_of_cgroup(const char *path, char *buf);
