"""Medians and ratios of what was measured, as tables or as JSON."""

import statistics

# figure: (head of its column, whether more is better)
COLUMNS = {
    "bulk": ("bulk submit /s", True),
    "singles": ("64 clients /s", True),
    "pipelined": ("pipelined /s", True),
    "drain": ("drain /s", True),
    "trip_p50": ("trip p50 ms", False),
    "trip_p99": ("trip p99 ms", False),
    "processes": ("spawn true /s", True),
    "range": ("1 M range ms", False),
    # Not a figure of the system's: the rows of two systems compare where their disks did.
    "disk": ("disk syncs /s", True),
}
OURS = "gristmill/fsync"
WIDTH = 15


def medians(rounds):
    """{system: {figure: median, low, high, unit, count, values}} of a list of told figures."""
    told = {}
    for figure in rounds:
        told.setdefault(figure["system"], {}).setdefault(figure["figure"], []).append(figure)
    return {
        system: {name: summed(list_of) for name, list_of in figures.items()}
        for system, figures in told.items()
    }


def summed(list_of):
    values = [figure["value"] for figure in list_of]
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "unit": list_of[0]["unit"],
        "count": list_of[0]["count"],
        "values": len(values),
    }


def ratios(figures):
    """gristmill to each peer: the figure of the one divided by the figure of the other."""
    ours = figures.get(OURS, {})
    return {
        system: {
            name: ours[name]["median"] / theirs[name]["median"]
            for name in COLUMNS
            if name in ours and name in theirs and theirs[name]["median"]
        }
        for system, theirs in figures.items()
        if system != OURS
    }


def digits(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def rows(title, systems, cell):
    heads = "".join(f"{head:>{WIDTH}}" for head, _ in COLUMNS.values())
    lines = [f"{title:<24}{heads}"]
    for system in systems:
        cells = "".join(f"{cell(system, name):>{WIDTH}}" for name in COLUMNS)
        lines.append(f"{system:<24}{cells}")
    return lines


def table(figures, systems):
    """The report as text; `systems` gives the order of its rows."""
    measured = [system for system in systems if system in figures]
    by = ratios(figures)

    def median(system, name):
        figure = figures[system].get(name)
        return digits(figure["median"]) if figure else "-"

    def ratio(system, name):
        return f"{by[system][name]:.2f}" if name in by[system] else "-"

    lines = rows("medians", measured, median)
    if by and OURS in figures:
        lines += ["", *rows("gristmill / peer", [s for s in measured if s != OURS], ratio)]
        lines += ["Ratios: above 1 is better for a rate (/s), below 1 for a time (ms)."]
    for system in measured:
        for name, figure in figures[system].items():
            if name not in COLUMNS:
                lines.append(f"also: {system}: {name} {digits(figure['median'])} {figure['unit']}")
    return "\n".join(lines)
