"""OpenVINO as a module, without what importing it starts beside it.

Its package tells its makers of each import, by a thread that goes on and an identity it keeps in the home
folder (openvino-telemetry 2025.2.0). Where that package cannot be imported, it does without.
"""

import sys

_TELEMETRY = "openvino_telemetry"

_ours = _TELEMETRY not in sys.modules
if _ours:
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # importing it now is an ImportError
try:
    import openvino
    from openvino import opset13 as ops  # a package without it is an ImportError here
finally:
    if _ours:
        del sys.modules[_TELEMETRY]

__all__ = ["openvino", "ops"]
