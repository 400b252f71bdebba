# Sourced by the other scripts: finds a Python and keeps a virtual environment for it.
#
#   environment dev     sets $python to an environment's Python in which -e ".[dev]" is installed
#
# PYTHON names another Python than the one at hand. The one at hand lives in .venv, every other in .venvs/3.X.
# shellcheck shell=bash

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$*" >&2
    exit 1
}

# A name on PATH may be a stand-in that does not run, so a Python counts only once it has said its version.
version_of() {
    "$1" -c 'import sys; sys.version_info >= (3, 10) or sys.exit(1); print("3.%d" % sys.version_info[1])' 2>/dev/null
}

# Prints "3.X path" of every Python from 3.10 up, the lowest first, one for each 3.X.
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

python_at_hand() {
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
    local extra=$1 base=${PYTHON:-} folder=.venv version state
    if [ -z "$base" ]; then
        base=$(python_at_hand)
        [ -n "$base" ] || fail "No Python from 3.10 up was found. Install one, or name it: PYTHON=/path/to/python $0"
    fi
    version=$(version_of "$base") || fail "PYTHON=$base is not a Python from 3.10 up that runs."
    [ -z "${PYTHON:-}" ] || folder=.venvs/$version
    python=$PWD/$folder/bin/python

    # Made again when the Python it stands on has gone or has another version.
    if [ "$(version_of "$python" || true)" != "$version" ]; then
        "$base" -c 'import ensurepip, venv' 2>/dev/null ||
            fail "$base has no venv. On Debian and Ubuntu: apt install python$version-venv"
        echo "Making $folder with Python $version" >&2
        rm -rf "$folder"
        "$base" -m venv "$folder"
    fi

    # What is installed follows from these files; "dev" holds all that "local" asks for.
    state=$(cat pyproject.toml scripts/build_hook.py | cksum)
    if [ "$(cat "$folder/.installed-$extra" "$folder/.installed-dev" 2>/dev/null | grep -cFx "$state" || true)" = 0 ]; then
        echo "Installing the library with [$extra] into $folder" >&2
        "$python" -m pip install --quiet --disable-pip-version-check --editable ".[$extra]"
        echo "$state" >"$folder/.installed-$extra"
    fi
}
