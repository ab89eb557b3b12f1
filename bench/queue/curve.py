"""Draws what scale.py measured: jobs a second and the server's CPU time a job, over how much of
each there is, as one SVG with a panel for each axis."""

import math

WIDTH, HEIGHT, LEFT, TOP, FLOOR = 250, 170, 54, 46, 40
RATE, CPU, INK, PALE = "#2f6f4f", "#b5651d", "#333", "#ddd"
TITLES = {"waiting": "jobs waiting", "workers": "workers, 1 M waiting",
          "projects": "projects, 1 M waiting"}


def short(number):
    for size, letter in ((1_000_000, " M"), (1_000, " k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def text(x, y, words, anchor="middle", colour=INK, size=11):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'font-size="{size}">{words}</text>')


def line(points, colour):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}'


def panel(number, axis, rows, most_rate, most_cpu):
    """One axis: rates against the left scale, CPU against the same height with its own numbers."""
    x0, y0 = LEFT + number * (WIDTH + 40), TOP + HEIGHT
    lowest, highest = (math.log10(max(rows[end][0], 1)) for end in (0, -1))
    step = (WIDTH - 32) / ((highest - lowest) or 1)
    across = lambda at: x0 + 16 + (math.log10(at) - lowest) * step
    up = lambda share: y0 - share * HEIGHT
    parts = [text(x0 + WIDTH / 2, y0 + 34, TITLES[axis])]
    for share in (0, 0.5, 1):
        parts.append(f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{up(share):.1f}" '
                     f'y2="{up(share):.1f}" stroke="{PALE}"/>')
        if number == 0:
            parts.append(text(x0 - 6, up(share) + 4, short(round(most_rate * share)), "end"))
    for at, rate, cpu in rows:
        parts.append(text(across(at), y0 + 16, short(at)))
        parts.append(text(across(at), up(rate / most_rate) - 8, short(round(rate / 1e3) * 1e3),
                          colour=RATE, size=10))
        parts.append(text(across(at), up(cpu / most_cpu) + 16, f"{cpu:.1f}", colour=CPU, size=10))
    parts.append(line([(across(at), up(rate / most_rate)) for at, rate, _ in rows], RATE))
    parts.append(line([(across(at), up(cpu / most_cpu)) for at, _, cpu in rows], CPU))
    return "".join(parts)


def with_base(axis, rows):
    """One worker and one project are the same point as a million waiting jobs."""
    found = sorted((at, rate, cpu) for of, at, rate, cpu in rows if of == axis)
    base = [(1, rate, cpu) for of, at, rate, cpu in rows if (of, at) == ("waiting", 1_000_000)]
    return found if axis == "waiting" else base + found


def draw(rows):
    """The picture of (axis, how many, jobs a second, microseconds a job)."""
    top = lambda values, step: math.ceil(max(values) * 1.15 / step) * step
    most_rate = top((rate for _, _, rate, _ in rows), 50_000)
    most_cpu = 2.5 * max(cpu for _, _, _, cpu in rows)
    width, height = LEFT + 3 * (WIDTH + 40), TOP + HEIGHT + FLOOR
    panels = "".join(panel(number, axis, with_base(axis, rows), most_rate, most_cpu)
                     for number, axis in enumerate(TITLES))
    legend = (text(LEFT, 18, "drain: lease + durable completion, jobs/s", "start", RATE, 12)
              + text(LEFT + 290, 18, "CPU of the server, microseconds a job", "start", CPU, 12))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
            f"{legend}{panels}</svg>\n")
