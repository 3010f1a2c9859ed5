"""LZW-coded pixels -> how many of the bytes the picture needs: those before its end-of-information code.

GIF89a, appendix F; TIFF 6.0, section 13. Codes are not decoded, only counted: how wide the next ones are depends on
nothing but their number since the table was last cleared.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from media_screen.errors import StripFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CLEARS = 200_000  # in one file; encoders that do not compress clear the table every 126 codes
_SHORT_LOOK, _LOOK = 512, 1 << 12  # codes at a time; short for files that clear often
_TABLE_CODES = 1 << 13


class LzwFollower:
    """Follows the pieces of one file; `tiff` for that format's order of bits and its earlier change of width."""

    def __init__(self, *, tiff: bool = False) -> None:
        self.tiff = tiff
        self.clears = 0

    def coded_bytes(self, coded: bytes, literal_bits: int = 8) -> int:
        """Bytes up to the end code; all of them where there is none.

        Raises:
            StripFailed: the table is cleared so often that following it would take too long.
        """
        if literal_bits < 2:  # decoders differ on how wide the codes after these are
            return len(coded)
        clear, widths = 1 << literal_bits, _widths(literal_bits, early=self.tiff)
        source = np.frombuffer(coded + bytes(3), dtype=np.uint8)
        at, step, since_clear = 0, _LOOK, True
        while True:
            codes, ends = self._codes(source, at, widths[:step] if since_clear else widths[-step:])
            if not len(codes):
                return len(coded)
            special = np.flatnonzero((codes == clear) | (codes == clear + 1))
            if len(special):
                at = int(ends[special[0]])
                if codes[special[0]] == clear + 1:
                    return (at + 7) // 8
                step, since_clear = _SHORT_LOOK if special[0] < _SHORT_LOOK else _LOOK, True
                self.clears += 1
                if self.clears > MAX_CLEARS:
                    raise StripFailed("the LZW code table is cleared too often to be followed; save the file anew")
            elif since_clear and step < len(widths):
                step = len(widths)
            else:  # the table is full: every code is 12 bits wide until it is cleared
                at, step, since_clear = int(ends[-1]), _LOOK, False

    def _codes(
        self, source: NDArray[np.uint8], at: int, widths: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The codes of these widths from bit `at` on, and where each ends; only whole ones."""
        ends = at + np.cumsum(widths)
        whole = int(np.searchsorted(ends, 8 * (len(source) - 3), side="right"))
        widths, ends = widths[:whole], ends[:whole]
        bits = ends - widths
        first, second, third = (source[(bits >> 3) + i].astype(np.uint32) for i in range(3))
        inside = (bits & 7).astype(np.uint32)
        if self.tiff:  # highest bit first
            words = (first << 16 | second << 8 | third) >> (24 - inside - widths.astype(np.uint32))
        else:
            words = (first | second << 8 | third << 16) >> inside
        return words & ((1 << widths) - 1).astype(np.uint32), ends


@cache
def _widths(literal_bits: int, *, early: bool) -> NDArray[np.int64]:
    """Bits of each code after a clear: one more each time the table outgrows them, up to 12."""
    next_entry = np.arange(_TABLE_CODES) + (1 << literal_bits) + 1
    next_entry[0] += 1  # the first code adds no entry
    return np.minimum(np.floor(np.log2(next_entry + early)).astype(np.int64) + 1, 12)
