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

# in one file. Most encoders clear the table when it is full, those that do not compress every 126 codes
MAX_EARLY_CLEARS, _FULL_ENOUGH = 100_000, 1024
_SHORT_LOOK, _LOOK = 256, 1 << 12  # codes at a time; short for files that clear often


class LzwFollower:
    """Follows the pieces of one file; `tiff` for that format's order of bits and its earlier change of width."""

    def __init__(self, *, tiff: bool = False) -> None:
        self.tiff = tiff
        self.early_clears = 0

    def coded_bytes(self, coded: bytes, literal_bits: int = 8) -> int:
        """Bytes up to the end code; all of them where there is none.

        Raises:
            StripFailed: the table is cleared so often that following it would take too long.
        """
        if literal_bits < 2 or len(coded) < 2:  # decoders differ on how wide the codes after so small a table are
            return len(coded)
        clear, table = 1 << literal_bits, _table(literal_bits, early=self.tiff)
        at, first, step, total = 0, 0, _LOOK, 8 * len(coded)
        padded = coded + bytes(4)
        # the four bytes from each byte on, without a copy
        words = np.ndarray((len(coded),), ">u4" if self.tiff else "<u4", padded, strides=(1,))
        while True:
            codes, ends = self._codes(words, at, total, table[:, first : first + step])
            if not len(codes):
                return len(coded)
            special = np.flatnonzero(codes >> 1 == clear >> 1)  # clear, and end of information
            if len(special):
                at, first = int(ends[special[0]]), 0
                if codes[special[0]] == clear + 1:
                    return (at + 7) // 8
                step = _SHORT_LOOK if special[0] < _SHORT_LOOK else _LOOK
                self.early_clears += int(special[0]) < _FULL_ENOUGH
                if self.early_clears > MAX_EARLY_CLEARS:
                    raise StripFailed("the LZW code table is cleared too often to be followed; save the file anew")
            elif first == 0 and step < _LOOK:
                step = _LOOK
            else:  # the table is full: every code is 12 bits wide until it is cleared
                at, first, step = int(ends[-1]), _LOOK, _LOOK

    def _codes(
        self, words: NDArray[np.uint32], at: int, total: int, table: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The codes from bit `at` on, and where each ends; only whole ones."""
        starts, widths, masks = table
        bits = starts + (at - starts[0])
        ends = bits + widths
        if ends[-1] > total:
            whole = int(np.searchsorted(ends, total, side="right"))
            bits, ends, widths, masks = bits[:whole], ends[:whole], widths[:whole], masks[:whole]
        found = words[bits >> 3].astype(np.int64)
        # TIFF puts the highest bit first
        found >>= 32 - (bits & 7) - widths if self.tiff else bits & 7
        return found & masks, ends


@cache
def _table(literal_bits: int, *, early: bool) -> NDArray[np.int64]:
    """Of each code after a clear: where it starts, its width (more as the table grows, up to 12), its mask."""
    next_entry = np.arange(2 * _LOOK) + (1 << literal_bits) + 1
    next_entry[0] += 1  # the first code adds no entry
    widths = np.minimum(np.floor(np.log2(next_entry + early)).astype(np.int64) + 1, 12)
    return np.stack([np.cumsum(widths) - widths, widths, (1 << widths) - 1])
