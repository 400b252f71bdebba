# Sourced by the other scripts: finds a Python and maintains a virtual environment for it.
#
#   environment dev     creates or updates an environment with -e ".[dev]", and sets $python to its Python
#
# PYTHON selects another Python than the default. The default uses .venv, any other .venvs/3.X.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$*" >&2
    exit 1
}

# A command on PATH may be a shim that does not run, so each Python must print its version.
version_of() {
    "$1" -c 'import sys; sys.version_info >= (3, 10) or sys.exit(1); print("3.%d" % sys.version_info[1])' 2>/dev/null
}

# Prints "3.X path" for each Python 3.10 or newer, lowest version first, one per version.
installed_pythons() {
    local name path version
    {
        for name in python3 python python3.{10..30}; do
            type -ap "$name" || true
        done
        for path in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3; do
            echo "$path"
        done
    } | while read -r path; do
        if version=$(version_of "$path"); then
            echo "$version $path"
        fi
    done | sort --stable --version-sort --key=1,1 --unique
}

default_python() {
    local name
    for name in python3 python; do
        if version_of "$name" >/dev/null; then
            type -p "$name"
            return
        fi
    done
    installed_pythons | tail -n 1 | cut -d ' ' -f 2-
}

environment() {
    local extra=$1 base=${PYTHON:-} folder=.venv version state before
    if [ -z "$base" ]; then
        base=$(default_python)
        [ -n "$base" ] || fail "Python 3.10 or newer was not found. Install it, or set PYTHON=/path/to/python."
    fi
    version=$(version_of "$base") || fail "PYTHON=$base is not a working Python 3.10 or newer."
    [ -z "${PYTHON:-}" ] || folder=.venvs/$version
    python=$PWD/$folder/bin/python

    # Recreated when its base Python is missing or has another version.
    if [ "$(version_of "$python" || true)" != "$version" ]; then
        "$base" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$base has no venv module. On Debian and Ubuntu: apt install python$version-venv"
        echo "Creating $folder with Python $version" >&2
        rm -rf "$folder"
        "$base" -m venv "$folder"
    fi

    # The dependencies are defined in these files. "dev" includes "local".
    state=$(cat pyproject.toml scripts/build_hook.py | cksum)
    if [ "$(cat "$folder/.installed-$extra" "$folder/.installed-dev" 2>/dev/null | grep -cFx "$state" || true)" = 0 ]; then
        echo "Installing the library with [$extra] into $folder" >&2
        before=$(generated_code)
        # Most of the modules are never imported, and compiling all of them takes as long as installing them.
        "$python" -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[$extra]"
        echo "$state" >"$folder/.installed-$extra"
        # The build hook generates the sync code, which would hide that the committed one was out of date.
        [ "$(generated_code)" = "$before" ] ||
            fail "The sync code was out of date, and was generated again: see git diff, and commit it."
    fi
}

# A checksum of the sync code of the library and of its tests.
generated_code() {
    cat src/runpod/_sync/*.py tests/_sync/*.py | cksum
}
