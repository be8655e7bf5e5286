"""PDF by Typst, a compiler in a wheel: no browser, no system fonts, nothing loaded from anywhere.

Fonts that are used are embedded. The compiler brings Libertinus Serif and DejaVu Sans Mono, which have
Latin, Greek and Cyrillic; a file of the user's adds to them.
"""

import json
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Final

from pipex_core.errors import ConfigError

shipped_fonts: Final = ("Libertinus Serif", "DejaVu Sans Mono", "New Computer Modern")
# Every problem of accessibility is an error, and so is a sign that no font has.
_standard: Final = "ua-1"


class TypstTypesetter:
    """Typst with the shipped fonts, and one of the user's.

    Args:
        probe: Source that sets nothing but the signs it is given.
        font: File of a TrueType or OpenType font.

    Raises:
        ConfigError: ``dependency_missing``, the extra ``pdf`` is not installed; ``bad_option``, the
            file holds no font.
    """

    def __init__(self, *, probe: str, font: str | None = None) -> None:
        self._typst = _typst()
        self._probe = probe
        self._families = [*shipped_fonts]
        self._folders: list[str] = []
        if font is not None:
            self._folders.append(str(Path(font).resolve().parent))
            self._families += self._families_in(Path(font))

    def pages(self, source: str, data: str, *, at: datetime) -> bytes:
        """The document as PDF/UA-1; equal for equal arguments."""
        made = self._typst.compile(
            source.encode(),
            sys_inputs={"data": data, "fonts": json.dumps(self._families)},
            font_paths=self._folders,
            ignore_system_fonts=True,
            pdf_standards=[_standard],
            timestamp=at,
        )
        return bytes(made)

    def unwritable(self, signs: str) -> frozenset[str]:
        """The signs that no font has, found by halves."""
        shown = "".join(sign for sign in signs if not sign.isspace())
        if not shown or self._is_writable(shown):
            return frozenset()
        if len(shown) == 1:
            return frozenset(shown)
        half = len(shown) // 2
        return self.unwritable(shown[:half]) | self.unwritable(shown[half:])

    def _is_writable(self, signs: str) -> bool:
        try:
            # Apart, so that no sign joins with its neighbour.
            self.pages(self._probe, " ".join(signs), at=datetime.fromtimestamp(0).astimezone())
        except self._typst.TypstError:
            return False
        return True

    def _families_in(self, font: Path) -> list[str]:
        known = self._typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=self._folders
        )
        found = [
            one.family for one in known.fonts() if one.path and Path(one.path) == font.resolve()
        ]
        if not found:
            raise ConfigError(
                f"{font} is no font", code="bad_option", next_step="name a .ttf or .otf file"
            )
        return list(dict.fromkeys(found))


def _typst() -> ModuleType:
    try:
        import typst
    except ImportError as exc:
        raise ConfigError(
            "reports in PDF need the extra `pdf`",
            code="dependency_missing",
            next_step="pip install 'pipex[pdf]'",
        ) from exc
    module: ModuleType = typst
    return module
