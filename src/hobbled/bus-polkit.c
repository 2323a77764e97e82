/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus-internal.h"
#include "bus-sender-internal.h"
#include "clock.h"

#include <string.h>

#define POLKIT "org.freedesktop.PolicyKit1"

/* As long as somebody may take to type a password. */
#define INTERACTIVE_USEC (120 * USEC_PER_SEC)

static const char *const actions[BUS_PRIVILEGE_MAX] = {
        [BUS_PRIVILEGE_HOBBLE] = BUS_NAME ".hobble",
        [BUS_PRIVILEGE_RELEASE] = BUS_NAME ".release",
        [BUS_PRIVILEGE_CONFIGURE] = BUS_NAME ".configure",
};

void bus_check_free(struct bus_senders *s, struct bus_check *check)
{
        for (struct bus_check **at = &s->checks; *at; at = &(*at)->next) {
                if (*at == check) {
                        *at = check->next;
                        break;
                }
        }
        sd_bus_slot_unref(check->slot);
        sd_bus_message_unref(check->message);
        free(check);
}

/* Do what was permitted. Whatever comes of it is the answer to the call. */
static int act(struct bus_peer *p, sd_bus_message *m, bus_action action, struct control_caller caller,
               sd_bus_error *error)
{
        int r = sd_bus_message_rewind(m, true);

        return r < 0 ? r : action(p, m, &caller, error);
}

/* Answer the call that has waited, and forget it. */
static void check_end(struct bus_check *check, int result, sd_bus_error *error)
{
        if (result < 0 && sd_bus_error_is_set(error))
                (void) sd_bus_reply_method_error(check->message, error);
        else if (result < 0)
                (void) sd_bus_reply_method_errno(check->message, result, NULL);
        sd_bus_error_free(error);
        bus_check_free(check->peer->bus->senders, check);
}

static void check_permitted(struct bus_check *check)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = act(check->peer, check->message, check->action, check->caller, &error);

        check_end(check, r, &error);
}

static int refuse(enum bus_privilege privilege, bool challenge, sd_bus_error *error)
{
        if (challenge)
                return sd_bus_error_setf(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                         "Not permitted without a password: action %s of polkit",
                                         actions[privilege]);
        return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED, "Not permitted: action %s of polkit",
                                 actions[privilege]);
}

static int on_polkit(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *ignored)
{
        struct bus_check *check = userdata;
        struct bus_senders *s = check->peer->bus->senders;
        struct bus_sender *sender;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        const sd_bus_error *e = sd_bus_message_get_error(m);
        int permitted = false, challenge = false, r;

        if (e && (sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                  sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER))) {
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED,
                                     "Not permitted: only root may do that, as there is no polkit to ask");
                check_end(check, r, &error);
                return 1;
        }
        if (e || sd_bus_message_enter_container(m, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(m, "bb", &permitted, &challenge) < 0) {
                r = sd_bus_error_setf(&error, SD_BUS_ERROR_ACCESS_DENIED, "Not permitted: polkit fails: %s",
                                      e && e->message ? e->message : "its answer makes no sense");
                check_end(check, r, &error);
                return 1;
        }
        if (!permitted) {
                r = refuse(check->privilege, challenge, &error);
                check_end(check, r, &error);
                return 1;
        }
        sender = bus_sender_find(s, sd_bus_message_get_sender(check->message));
        if (sender)
                sender->permitted_usec[check->privilege] = clock_now() + BUS_ANSWER_USEC;
        check_permitted(check);
        return 1;
}

/* Returns 0 or a negative errno. */
static int ask_polkit(struct bus_check *check)
{
        sd_bus_message *m = NULL;
        bool interactive = sd_bus_message_get_allow_interactive_authorization(check->message) > 0;
        int r;

        r = sd_bus_message_new_method_call(check->peer->handle, &m, POLKIT,
                                           "/org/freedesktop/PolicyKit1/Authority", POLKIT ".Authority",
                                           "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                          sd_bus_message_get_sender(check->message),
                                          actions[check->privilege]);
        if (r >= 0)
                r = sd_bus_message_append(m, "a{ss}us", 0, interactive, "");
        if (r >= 0)
                r = sd_bus_call_async(check->peer->handle, &check->slot, m, on_polkit, check,
                                      interactive ? INTERACTIVE_USEC : 0);
        sd_bus_message_unref(m);
        return r < 0 ? r : 0;
}

/* Who sent it is known, or that it cannot be known. */
static void check_go_on(struct bus_check *check, const struct bus_sender *sender)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        check->caller.uid = sender->uid;
        check->caller.pid = sender->pid;
        if (sender->uid == 0 || sender->permitted_usec[check->privilege] > clock_now()) {
                check_permitted(check);
                return;
        }
        if (sender->failed)
                r = sd_bus_error_set(&error, SD_BUS_ERROR_ACCESS_DENIED,
                                     "Not permitted: the bus does not tell who asks");
        else
                r = ask_polkit(check);
        if (r < 0)
                check_end(check, r, &error);
}

void bus_checks_go_on(struct bus_peer *p, const char *name)
{
        struct bus_senders *s = p->bus->senders;
        char copy[sizeof(s->of[0].name)];

        strcpy(copy, name);
        for (;;) {
                const struct bus_sender *sender = bus_sender_find(s, copy);
                struct bus_check *check = s->checks;

                /* Whatever is done with it may change the list. */
                while (check && (check->slot || strcmp(sd_bus_message_get_sender(check->message), copy) != 0))
                        check = check->next;
                if (!check || !sender)
                        return;
                check_go_on(check, sender);
        }
}

/* Returns 1, or a negative errno with the error set. */
static int check_new(struct bus_peer *p, sd_bus_message *m, enum bus_privilege privilege, bus_action action,
                     const struct bus_sender *sender, sd_bus_error *error)
{
        struct bus_senders *s = p->bus->senders;
        unsigned all = 0, user = 0;
        struct bus_check *check;

        for (check = s->checks; check; check = check->next) {
                all++;
                user += check->caller.uid == sender->uid;
        }
        if (all >= BUS_CHECKS_MAX || user >= BUS_CHECKS_USER_MAX)
                return sd_bus_error_set(error, CONTROL_ERROR_TOO_MANY,
                                        "Too many calls wait for a permission: try again later");
        check = calloc(1, sizeof(*check));
        if (!check)
                return -ENOMEM;
        *check = (struct bus_check){
                .next = s->checks,
                .peer = p,
                .message = sd_bus_message_ref(m),
                .privilege = privilege,
                .action = action,
                .caller = { .uid = sender->uid, .pid = sender->pid },
        };
        s->checks = check;
        if (!sender->lookup)
                check_go_on(check, sender);
        return 1;
}

int bus_privileged(struct bus_peer *p, sd_bus_message *m, enum bus_privilege privilege, bus_action action,
                   sd_bus_error *error)
{
        const struct bus_sender *sender;

        if (p->private && p->uid != 0)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        "Not permitted: over this socket only root may change anything; use "
                                        "the system bus");
        if (p->private)
                return act(p, m, action, (struct control_caller){ .uid = p->uid, .pid = p->pid }, error);
        sender = bus_sender_of(p, m);
        if (!sender)
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "Not permitted: who asks?");
        if (sender->uid == 0 || sender->permitted_usec[privilege] > clock_now())
                return act(p, m, action, (struct control_caller){ .uid = sender->uid, .pid = sender->pid },
                           error);
        return check_new(p, m, privilege, action, sender, error);
}
