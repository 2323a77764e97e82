/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the manager's object answers to questions; userdata is the peer. */

#include <systemd/sd-bus.h>

int bus_list_tarpits(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_subjects(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_requests(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_preview(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_explain(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_get_tarpit(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_get_subject(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_list_get_subject_by_pid(sd_bus_message *m, void *userdata, sd_bus_error *error);
