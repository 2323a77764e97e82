/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "controllers.h"
#include "cgroup.h"
#include "file.h"

#include <stdio.h>
#include <string.h>

#define SUBTREE_CONTROL "cgroup.subtree_control"

static int change(int dir_fd, char sign, const char *name)
{
        char text[64];

        snprintf(text, sizeof(text), "%c%s", sign, name);
        return file_write_at(dir_fd, SUBTREE_CONTROL, text);
}

int controllers_enable(int dir_fd, const char *name)
{
        return change(dir_fd, '+', name);
}

int controllers_disable_all(int dir_fd)
{
        char text[CGROUP_TEXT_MAX], *rest, *name;
        ssize_t n = file_read_at(dir_fd, SUBTREE_CONTROL, text, sizeof(text));
        int r = 0;

        if (n < 0)
                return (int) n;
        /* One at a time: the kernel refuses all where one of them cannot be taken. */
        for (name = strtok_r(text, " \n", &rest); name; name = strtok_r(NULL, " \n", &rest)) {
                int k = change(dir_fd, '-', name);

                r = k < 0 ? k : r;
        }
        return r;
}
