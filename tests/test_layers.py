"""Imports point one way. The order below is the house; a line that breaks it is named."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Left may be imported by right, never the reverse.
ORDER = [
    "errors", "frame", "threads", "networks", "perception", "style_file", "styles", "mixing", "importers",
    "media", "engines", "stylizers", "crew", "pipeline", "cluster", "live", "api", "studio", "benchmark",
    "export", "cli", "__main__",
]  # fmt: skip


def _layer(path: Path) -> str:
    parts = path.relative_to(ROOT / "rtstyle").with_suffix("").parts
    return parts[0]


def _imports(path: Path) -> list[tuple[int, str]]:
    """(line, dotted module) of every import in a file, whether at the top or inside a function."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def broken_lines(path: Path) -> list[str]:
    """The imports of one file of rtstyle/ that point the wrong way."""
    own = _layer(path)
    if own == "__init__":
        return []
    broken = []
    for line, module in _imports(path):
        head, *rest = module.split(".")
        target = rest[0] if head == "rtstyle" and rest else head
        if target == "training":
            if own != "cli":
                broken.append(f"{path}:{line}: only the command line imports training")
        elif head == "scripts":
            broken.append(f"{path}:{line}: rtstyle does not import scripts")
        elif head == "rtstyle" and target in ORDER and ORDER.index(target) > ORDER.index(own):
            broken.append(f"{path}:{line}: {own} may not import {target}")
    return broken


@pytest.mark.parametrize("path", sorted((ROOT / "rtstyle").rglob("*.py")), ids=lambda p: p.name)
def test_imports_point_one_way(path: Path) -> None:
    assert broken_lines(path) == []


def test_every_module_has_a_layer() -> None:
    layers = {_layer(path) for path in (ROOT / "rtstyle").rglob("*.py")} - {"__init__"}
    assert layers <= set(ORDER)


def test_training_does_not_reach_into_scripts() -> None:
    for path in (ROOT / "training").rglob("*.py"):
        assert not [m for _, m in _imports(path) if m.split(".")[0] == "scripts"], path


def test_a_wrong_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    bad = tmp_path / "rtstyle" / "frame.py"
    bad.parent.mkdir()
    bad.write_text("import os\nfrom rtstyle.media import video_file\n")
    assert broken_lines(bad) == [f"{bad}:2: frame may not import media"]
