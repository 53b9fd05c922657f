"""OpenCV without the lines it writes to stderr itself; what matters is said where it is used."""

from __future__ import annotations

import os

import cv2


def hush_opencv() -> None:
    """No line for a camera that is not there, or a tag of a TIFF's; OPENCV_LOG_LEVEL goes first."""
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
