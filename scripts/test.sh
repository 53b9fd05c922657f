#!/bin/sh
# Sets up everything and runs the tests. Arguments go to pytest: sh scripts/test.sh -k video
cd "$(dirname "$0")/.." || exit 1
EXTRAS=dev
. scripts/setup.sh
exec "$PYTHON" -m pytest "$@"
