#!/bin/sh
# Sets up everything, draws a scene with sound, restyles it: out/demo.mp4 and out/demo.png.
# Arguments go to the demo: sh scripts/demo.sh --style NAME
cd "$(dirname "$0")/.." || exit 1
EXTRAS=
. scripts/setup.sh
exec "$PYTHON" scripts/demo.py "$@"
