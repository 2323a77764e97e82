/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* -H HOST: the same on another host, over ssh. */

#include "verb.h"

/* The options before the verb: take -H HOST out of them. *ret_n: how many words of argv it and the program's
 * name are. *host is set where there is one. Returns 0, or an exit status after a message. */
int host_before_verb(int argc, char *argv[], const char **host, int *ret_n);

/* Where the command line of a verb has -H HOST, or a host is given, become ssh. argv[0] is the verb. Returns
 * -ENOENT where it is for this host, also where the command line is wrong: then the verb tells. Else an exit
 * status after a message. */
int host_run(const char *host, const struct verb *verb, int argc, char *argv[]);
