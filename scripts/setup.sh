# Sourced by the other scripts: makes .venv if it is missing and installs rtstyle into it.
# Usage, from the root of the repository: EXTRAS=dev; . scripts/setup.sh

PYTHON=.venv/bin/python
if [ ! -x "$PYTHON" ]; then
    found=
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            found=$candidate
            break
        fi
    done
    if [ -z "$found" ]; then
        echo "rtstyle needs Python 3.11 or newer; none was found" >&2
        exit 1
    fi
    echo "making .venv with $("$found" --version)"
    "$found" -m venv .venv || exit 1
fi

# Install when pyproject.toml is newer than the last installation with these extras.
stamp=.venv/installed${EXTRAS:+-$EXTRAS}
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    echo "installing rtstyle (the first time takes some minutes: PyTorch is large)"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --editable ".${EXTRAS:+[$EXTRAS]}" || exit 1
    : >"$stamp"
fi
