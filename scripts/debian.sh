# shellcheck shell=bash
# For scripts to source: installs packages of a Debian-like machine, and says so where it cannot.
# Whoever sources it has a function `fail` that prints a line and ends.

install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        fail "missing: $*. This is not a Debian-like machine; install them with its own packages."
    fi
    if [ "$(id -u)" -ne 0 ]; then
        # Without a terminal nobody can type a password: then only a sudo that asks for none will do.
        if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
            as_root=(sudo)
        else
            fail "missing: $*. Not root and no sudo; ask for: apt-get install $*"
        fi
    fi
    echo "setup: installing $*"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
    "${apt[@]}" update || echo "setup: could not refresh the package lists, trying the old ones" >&2
    "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null ||
        fail "could not install: $*"
}
