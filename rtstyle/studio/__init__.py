"""The studio: a live session seen and steered in a browser, on this machine or another."""

from rtstyle.studio.browser_camera import BrowserCamera
from rtstyle.studio.server import Session, Studio
from rtstyle.studio.thumbnails import thumbnails

__all__ = ["BrowserCamera", "Session", "Studio", "thumbnails"]
