/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which container the path of a cgroup names. */

#include "container.h"
#include "macro.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define POD "pod3f1c2d4e-0000-4000-8000-00000000000a"
#define POD_SLICE "kubepods-burstable-pod3f1c2d4e_0000_4000_8000_00000000000a.slice"
#define MANAGER "/user.slice/user-1000.slice/user@1000.service"

struct row {
        const char *path, *container; /* "": none */
};

static void assert_rows(const struct row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                char buf[CONTAINER_MAX];
                bool found = container_of_cgroup(rows[i].path, buf);

                if (strcmp(buf, rows[i].container) != 0)
                        print_error("%s: \"%s\", not \"%s\"\n", rows[i].path, buf, rows[i].container);
                assert_string_equal(buf, rows[i].container);
                assert_int_equal(found, *rows[i].container != '\0');
        }
}

static void docker(void **state)
{
        static const struct row rows[] = {
                { "/system.slice/docker-" ID ".scope", "docker:0123456789ab" },
                { "/system.slice/docker-" ID ".scope/init", "docker:0123456789ab" },
                { "/docker/" ID, "docker:0123456789ab" },
                { "/parent/docker/" ID "/a/b", "docker:0123456789ab" },
                { MANAGER "/user.slice/docker-" ID ".scope", "docker:0123456789ab" }, /* of a user's daemon */
                { "/system.slice/docker.service", "" },
                { "/system.slice/docker-" ID ".mount", "" },
                { "/system.slice/docker-" ID ".scope (deleted)", "" },
                { "/docker", "" },
                { "/docker/buildkit", "" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

static void podman(void **state)
{
        static const struct row rows[] = {
                { "/machine.slice/libpod-" ID ".scope", "podman:0123456789ab" },
                { "/machine.slice/libpod-" ID ".scope/container", "podman:0123456789ab" },
                { "/libpod_parent/libpod-" ID, "podman:0123456789ab" },
                { MANAGER "/user.slice/libpod-" ID ".scope/container", "podman:0123456789ab" },
                { "/system.slice/web.service/libpod-payload-" ID, "podman:0123456789ab" },
                { "/machine.slice/libpod-conmon-" ID ".scope", "" },
                { "/libpod_parent/conmon", "" },
                { "/system.slice/web.service/runtime", "" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

static void kubernetes(void **state)
{
        static const struct row rows[] = {
                { "/kubepods.slice/kubepods-burstable.slice/" POD_SLICE "/cri-containerd-" ID ".scope",
                  "kubernetes:0123456789ab" },
                { "/kubepods.slice/kubepods-burstable.slice/" POD_SLICE "/crio-" ID ".scope/container",
                  "kubernetes:0123456789ab" },
                { "/kubepods.slice/" POD_SLICE "/docker-" ID ".scope", "kubernetes:0123456789ab" },
                { "/kubepods/burstable/" POD "/" ID, "kubernetes:0123456789ab" },
                { "/kubepods/" POD "/crio-" ID, "kubernetes:0123456789ab" },
                { "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-" POD ".slice/cri-containerd-" ID
                  ".scope",
                  "kubernetes:0123456789ab" },
                { "/system.slice/containerd.service/" POD_SLICE ":cri-containerd:" ID,
                  "kubernetes:0123456789ab" },
                { "/kubepods.slice/" POD_SLICE "/crio-conmon-" ID ".scope", "" },
                { "/kubepods.slice/" POD_SLICE, "" },
                { "/kubepods/burstable/" POD, "" },
                { "/system.slice/cri-containerd-" ID ".scope", "" },
                { "/" POD "/" ID, "" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

static void machines(void **state)
{
        static const struct row rows[] = {
                { "/machine.slice/systemd-nspawn@web.service/payload", "nspawn:web" },
                { "/machine.slice/systemd-nspawn@my\\x2dbox.service", "nspawn:my-box" },
                { "/machine.slice/systemd-nspawn@my-box.service/supervisor", "nspawn:my-box" },
                { "/machine.slice/machine-web.scope", "machine:web" },
                { "/machine.slice/systemd-vmspawn@web.service", "machine:web" },
                { "/machine.slice/machine-my\\x2dbox.scope/payload/init.scope", "machine:my-box" },
                { "/machine.slice/machine-a.slice/machine-web.scope", "machine:web" },
                { "/machine.slice/machine-qemu\\x2d1\\x2dweb\\x2d2.scope/libvirt/emulator", "libvirt:web-2" },
                { "/machine.slice/machine-lxc\\x2d4711\\x2dweb.scope/libvirt", "libvirt:web" },
                { "/machine.slice/machine-qemu\\x2dweb.scope", "machine:qemu-web" },
                { "/machine.slice/machine-qemu\\x2d1\\x2d.scope", "machine:qemu-1-" },
                { "/machine.slice", "" },
                { "/machine.slice/machine-web.slice", "" },
                { "/system.slice/machine-web.scope", "" },
                { "/machine-web.scope", "" },
                { "/system.slice/systemd-machined.service", "" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

static void lxc(void **state)
{
        static const struct row rows[] = {
                { "/lxc.payload.web", "lxc:web" },
                { "/lxc.payload.web/system.slice/cron.service", "lxc:web" },
                { "/lxc.payload/web/init.scope", "lxc:web" },
                { "/lxc/101/ns", "lxc:101" },
                { MANAGER "/lxc.payload.web-1", "lxc:web-1" },
                { "/lxc.monitor.web", "" },
                { "/lxc.payload.", "" },
                { "/lxc", "" },
                { "/home/lxc/web", "" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

/* The outer one is the host's. */
static void one_within_another(void **state)
{
        static const struct row rows[] = {
                { "/machine.slice/machine-web.scope/payload/system.slice/docker-" ID ".scope",
                  "machine:web" },
                { "/docker/" ID "/docker/" OTHER, "docker:0123456789ab" },
                { "/docker/" ID "/kubepods/burstable/" POD "/" OTHER, "docker:0123456789ab" },
                { "/kubepods/" POD "/" ID "/docker/" OTHER, "kubernetes:0123456789ab" },
                { "/lxc/a/lxc/b", "lxc:a" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

/* Anybody who may make directories gives them names. */
static void odd_names(void **state)
{
        static const struct row rows[] = {
                { "", "" },
                { "/", "" },
                { "//docker//" ID "//", "docker:0123456789ab" },
                { "/docker-.scope", "" },
                { "/docker-" ID "0.scope", "" },
                { "/docker-0123456789ab.scope", "" },
                { "/docker-" ID, "" },
                { "/xdocker-" ID ".scope", "" },
                { "/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", "" },
                { "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n", "" },
                { "/libpod-payload-", "" },
                { "/kubepods-:", "" },
                { "/kubepods-:a:" ID "0", "" },
                { "/machine.slice/machine-.scope", "" },
                { "/machine.slice/systemd-nspawn@.service", "" },
                { "/machine.slice/systemd-nspawn@machine-x.scope", "" },
                /* What unescapes to NUL, or is no escape, stays as it is. */
                { "/machine.slice/machine-a\\x00b.scope", "machine:a\\x00b" },
                { "/machine.slice/machine-a\\x.scope", "machine:a\\x" },
                { "/machine.slice/machine-a\\x2.scope", "machine:a\\x2" },
                { "/machine.slice/machine-\\xzz\\x2D.scope", "machine:\\xzz\\x2D" },
                /* Control characters and slashes are left to whoever shows it. */
                { "/machine.slice/machine-\\x1b\\x5b2J\\x0a\\x2f..\\xff.scope", "machine:\x1b[2J\n/..\xff" },
                { "/lxc.payload.\x1b[2J\n", "lxc:\x1b[2J\n" },
        };

        assert_rows(rows, ELEMENTSOF(rows));
}

static void the_longest_name(void **state)
{
        char name[256], path[400], buf[CONTAINER_MAX], wanted[CONTAINER_MAX];

        memset(name, 'a', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        (void) snprintf(path, sizeof(path), "/lxc/%s", name);
        (void) snprintf(wanted, sizeof(wanted), "lxc:%s", name);
        assert_true(container_of_cgroup(path, buf));
        assert_string_equal(buf, wanted);

        /* Longer than a directory's can be. */
        (void) snprintf(path, sizeof(path), "/lxc/%sa", name);
        assert_false(container_of_cgroup(path, buf));
        (void) snprintf(path, sizeof(path), "/machine.slice/machine-%s.scope", name);
        assert_false(container_of_cgroup(path, buf));
}

UNIT_MAIN(cmocka_unit_test(docker), cmocka_unit_test(podman), cmocka_unit_test(kubernetes),
          cmocka_unit_test(machines), cmocka_unit_test(lxc), cmocka_unit_test(one_within_another),
          cmocka_unit_test(odd_names), cmocka_unit_test(the_longest_name))
