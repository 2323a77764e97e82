/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "container.h"
#include "macro.h"

#include <stdio.h>
#include <string.h>

/* Longest name of a directory. */
#define NAME_BYTES_MAX 255U

#define ID_DIGITS 64U
#define ID_SHOWN 12U

/* One directory's name in a path; not terminated. */
struct part {
        const char *s;
        size_t n;
};

static bool part_is(const struct part *p, const char *s)
{
        return p->n == strlen(s) && memcmp(p->s, s, p->n) == 0;
}

static bool take_prefix(struct part *p, const char *prefix)
{
        size_t n = strlen(prefix);

        if (p->n <= n || memcmp(p->s, prefix, n) != 0)
                return false;
        p->s += n;
        p->n -= n;
        return true;
}

static bool take_suffix(struct part *p, const char *suffix)
{
        size_t n = strlen(suffix);

        if (p->n <= n || memcmp(p->s + p->n - n, suffix, n) != 0)
                return false;
        p->n -= n;
        return true;
}

static bool take_both(struct part *p, const char *prefix, const char *suffix)
{
        struct part q = *p;

        if (!take_prefix(&q, prefix) || !take_suffix(&q, suffix))
                return false;
        *p = q;
        return true;
}

static bool is_id(const struct part *p)
{
        for (size_t i = 0; i < p->n; i++)
                if (!strchr("0123456789abcdef", p->s[i]))
                        return false;
        return p->n == ID_DIGITS;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* The byte that systemd has written as \xNN at s; -1: none, or NUL, which no name has. */
static int escaped_byte(const char *s, size_t n)
{
        int high, low;

        if (n < 4 || s[0] != '\\' || s[1] != 'x')
                return -1;
        high = hex_digit(s[2]);
        low = hex_digit(s[3]);
        return high < 0 || low < 0 || high + low == 0 ? -1 : high * 16 + low;
}

static bool write_id(char *buf, const char *kind, const struct part *id)
{
        if (!is_id(id))
                return false;
        (void) snprintf(buf, CONTAINER_MAX, "%s:%.*s", kind, (int) ID_SHOWN, id->s);
        return true;
}

static bool write_name(char *buf, const char *kind, const struct part *name)
{
        if (name->n > NAME_BYTES_MAX)
                return false;
        (void) snprintf(buf, CONTAINER_MAX, "%s:%.*s", kind, (int) name->n, name->s);
        return true;
}

/* -- Who names them how ------------------------------------------------------------------------ */

static bool is_docker(struct part p, const struct part *above, char *buf)
{
        if (!part_is(above, "docker") && !take_both(&p, "docker-", ".scope"))
                return false;
        return write_id(buf, "docker", &p);
}

/* conmon, which only looks after a container, is in a "libpod-conmon-ID". */
static bool is_podman(struct part p, char *buf)
{
        if (!take_prefix(&p, "libpod-"))
                return false;
        (void) take_prefix(&p, "payload-");
        (void) take_suffix(&p, ".scope");
        return write_id(buf, "podman", &p);
}

static bool is_kubepods(struct part p)
{
        (void) take_prefix(&p, "kubelet-");
        return part_is(&p, "kubepods") || part_is(&p, "kubepods.slice") || take_prefix(&p, "kubepods-");
}

/* pods: it is somewhere beneath those of kubernetes. */
static bool is_kubernetes(struct part p, const struct part *above, bool pods, char *buf)
{
        static const char *const runtimes[] = { "cri-containerd-", "crio-", "docker-" };
        const char *colon = is_kubepods(p) ? memrchr(p.s, ':', p.n) : NULL;
        struct part pod = *above;

        /* containerd that is told of slices where it makes plain directories: "…-podUID.slice:RUNTIME:ID" */
        if (colon) {
                p.n -= (size_t) (colon + 1 - p.s);
                p.s = colon + 1;
                return write_id(buf, "kubernetes", &p);
        }
        if (!pods)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(runtimes); i++) {
                if (!take_prefix(&p, runtimes[i]))
                        continue;
                (void) take_suffix(&p, ".scope");
                return write_id(buf, "kubernetes", &p);
        }
        return take_prefix(&pod, "pod") && write_id(buf, "kubernetes", &p);
}

/* libvirt numbers what it starts: "qemu-1-web", "lxc-4711-web". */
static bool take_libvirt(struct part *name)
{
        struct part p = *name;
        size_t digits = 0;

        if (!take_prefix(&p, "qemu-") && !take_prefix(&p, "lxc-"))
                return false;
        while (digits < p.n && p.s[digits] >= '0' && p.s[digits] <= '9')
                digits++;
        if (digits == 0 || p.n < digits + 2 || p.s[digits] != '-')
                return false;
        name->s = p.s + digits + 1;
        name->n = p.n - digits - 1;
        return true;
}

/* "systemd-nspawn@NAME.service", "machine-NAME.scope" in machine.slice or one beneath. */
static bool is_machine(struct part p, const struct part *above, char *buf)
{
        const char *kind = "machine";
        char text[NAME_BYTES_MAX];
        struct part slice = *above, name = { text, 0 };

        if (!take_suffix(&slice, ".slice") ||
            !(part_is(&slice, "machine") || take_prefix(&slice, "machine-")) || p.n > sizeof(text))
                return false;
        if (take_both(&p, "systemd-nspawn@", ".service"))
                kind = "nspawn";
        else if (!take_both(&p, "machine-", ".scope") && !take_both(&p, "systemd-vmspawn@", ".service"))
                return false;

        for (size_t i = 0; i < p.n;) {
                int byte = escaped_byte(p.s + i, p.n - i);

                text[name.n++] = byte < 0 ? p.s[i] : (char) byte;
                i += byte < 0 ? 1 : 4;
        }
        if (*kind == 'm' && take_libvirt(&name))
                kind = "libvirt";
        return write_name(buf, kind, &name);
}

/* "lxc.payload.NAME", once "lxc.payload/NAME", or "lxc/NAME" at the top. */
static bool is_lxc(struct part p, const struct part *above, bool second, char *buf)
{
        return (take_prefix(&p, "lxc.payload.") || part_is(above, "lxc.payload") ||
                (second && part_is(above, "lxc"))) &&
               write_name(buf, "lxc", &p);
}

bool container_of_cgroup(const char *path, char *buf)
{
        struct part above = { "", 0 };
        bool pods = false;

        for (const char *s = path + strspn(path, "/"); *s;) {
                struct part p = { s, strcspn(s, "/") };
                bool second = above.n > 0 && above.s == path + strspn(path, "/");

                pods = pods || is_kubepods(p);
                if (is_kubernetes(p, &above, pods, buf) || is_docker(p, &above, buf) || is_podman(p, buf) ||
                    is_machine(p, &above, buf) || is_lxc(p, &above, second, buf))
                        return true;
                above = p;
                s += p.n;
                s += strspn(s, "/");
        }
        *buf = '\0';
        return false;
}
