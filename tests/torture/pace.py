"""Progress messages for long tasks."""


def pace(done: int, count: int, seconds: float) -> str:
    """Rate and remaining time, such as `1.9 a minute, 24 min to go`."""
    if not done:
        return f"{count:,} to go"
    left = seconds / done * max(count - done, 0)
    rate = f"{done / seconds:,.0f} a second" if done > seconds else f"{done / seconds * 60:.1f} a minute"
    return f"{rate}, {left / 60:.0f} min to go" if left >= 90 else f"{rate}, {left:.0f} s to go"
