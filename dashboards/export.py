"""Tables for spreadsheets: no cell of a file we write is ever a formula."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["safe_cell", "spreadsheet_safe"]

# What a spreadsheet program may take for the start of a formula, also after blanks it strips.
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def safe_cell(value: object) -> object:
    """Text that a spreadsheet could run gets an apostrophe in front; lists become one text; the rest stays."""
    if isinstance(value, list | tuple | np.ndarray):
        value = "; ".join(str(item) for item in value)
    if not isinstance(value, str):
        return value
    return f"'{value}" if value.lstrip(" \u00a0").startswith(_STARTS) or value.startswith(_STARTS) else value


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of `frame` in which every text and list cell is safe; numbers and times are as they were."""
    safe = frame.copy()
    for column in safe.columns:
        if safe[column].dtype == object or isinstance(safe[column].dtype, pd.StringDtype):
            safe[column] = safe[column].astype(object).map(safe_cell, na_action="ignore")
    return safe
