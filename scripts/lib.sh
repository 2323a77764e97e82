# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the scripts share: messages, the packages that are needed, and the builds. Sourced, not run.

export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian's names.
build_packages=(gcc libc6-dev meson ninja-build pkgconf libsystemd-dev libmount-dev libsmartcols-dev libinih-dev
        libncurses-dev)
package_packages=(build-essential debhelper dpkg-dev fakeroot lintian systemd)
test_packages=(libcmocka-dev libfuse3-dev binutils python3 valgrind mandoc shellcheck spin
        "${package_packages[@]}" dbus libpam-systemd dbus-user-session cron at openssh-server jq man-db zsh
        polkitd python3-dbus tmux qemu-system-x86 mmdebstrap e2fsprogs)
bench_packages=(libcmocka-dev python3 cpulimit python3-gevent systemd)

say() {
        printf '%s\n' "$*" >&2
}

die() {
        say "${0##*/}: $*"
        exit 1
}

# Run a command; what it says is shown only where it fails.
quietly() {
        local log status=0
        log=$(mktemp)
        "$@" >"$log" 2>&1 </dev/null || status=$?
        ((status == 0)) || cat "$log" >&2
        rm -f "$log"
        return "$status"
}

# Install those of the packages that are missing. Nothing is asked of the network where none is.
install_missing() {
        local package missing=()
        local -a get=(apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)

        if ! command -v dpkg-query >/dev/null; then
                say "not a Debian: $* are not looked for"
                return
        fi
        for package; do
                [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
        done
        ((${#missing[@]})) || return 0

        say "installing ${missing[*]}"
        ((EUID == 0)) || die "needs root for that"
        export DEBIAN_FRONTEND=noninteractive
        quietly "${get[@]}" update || die "the package lists cannot be fetched"
        quietly "${get[@]}" install --yes --no-install-recommends "${missing[@]}" || die "cannot install"
}

# configure DIR [OPTION...]: set a build directory up with meson where it is not.
configure() {
        [[ -e $1/build.ninja ]] || quietly meson setup "$1" "$root" "${@:2}" || die "${1##*/} cannot be set up"
}

# compile DIR [TARGET...]
compile() {
        quietly meson compile -C "$@" || die "${1##*/} does not build"
}
