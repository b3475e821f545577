"""Sizes and durations in words, as plans, forecasts and messages say them."""


def size_in_words(n_bytes: float | int) -> str:
    """``n_bytes`` in GB (1e9 bytes), in MB below one."""
    value, unit = (n_bytes / 1e9, "GB") if n_bytes >= 1e9 else (n_bytes / 1e6, "MB")
    return f"{value:.1f} {unit}"


def duration_in_words(seconds: float | int) -> str:
    """``seconds`` in the unit in which one and a half of it is the least; below a second, 1 s."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
