#!/usr/bin/env python3
"""Times gristmill's image path beside its peers, on the same files, in turn, in one call.

    bench/images/run.py [--rounds 5] [--json] [--cases small-colour,large-fast,...]

Contenders, each one thread, bytes in memory in and out, CPU milliseconds an image:
  floor-rgb, floor-planar  libjpeg-turbo itself with the cheapest sensible resize (floor.c), linked
                           with the library gristmill links; "floor" below is the faster of the two
  gristmill                crates/imaging through its example `bench_images`, release build
  opencv                   imdecode, resize INTER_LINEAR (no antialiasing), imencode
  pillow                   Image.open, resize BILINEAR, save

Every round runs all contenders one after the other; the table gives each one's median over the
rounds and ratios of medians. Read the ratios: the milliseconds belong to the machine and its mood.
The first call makes a virtual environment, a corpus and the programs, all below --work.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = ["opencv-python-headless", "numpy", "Pillow"]

# name: (folder of the corpus, case of the contenders, passes over the folder in one round)
CASES = {
    "small-colour": ("small", "colour", 4),
    "small-gray": ("small", "gray", 4),
    "small-threshold": ("small", "threshold", 4),
    "small-lanczos": ("small", "lanczos", 4),
    "large-colour": ("large", "colour", 3),
    "large-fast": ("large", "fast", 3),
    "large-gray": ("large", "gray", 3),
}
CONTENDERS = ["floor-rgb", "floor-planar", "gristmill", "opencv", "pillow"]


def quiet(*command, **settings):
    done = subprocess.run(command, capture_output=True, text=True, **settings)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def prepare(work, photos, cargo_target):
    """The programs and files of the bench: (python, floor, gristmill, corpus)."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(work / "venv", with_pip=True)
        quiet(python, "-m", "pip", "install", "--quiet", *PACKAGES)
    build = ["cargo", "build", "--release", "-p", "gristmill-imaging", "--example", "bench_images"]
    quiet(*build, cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(cargo_target)})
    release = cargo_target / "release"
    library = max(release.glob("build/turbojpeg-sys-*/out"), key=lambda p: p.stat().st_mtime)
    floor = work / "floor"
    include, archive = f"-I{library}/include", next(library.glob("lib*/libturbojpeg.a"))
    quiet("cc", "-O3", "-march=native", include, "-o", floor, HERE / "floor.c", archive, "-lm")
    corpus = work / "corpus"
    if not corpus.exists():
        make = f"import corpus; corpus.make({str(photos)!r}, {str(corpus)!r})"
        quiet(python, "-c", make, cwd=HERE)
    return python, floor, release / "examples" / "bench_images", corpus


def command(contender, case, folder, passes, programs):
    python, floor, gristmill, _ = programs
    tail = [case, str(folder), str(passes)]
    if contender == "gristmill":
        return [str(gristmill), *tail]
    if contender.startswith("floor-"):
        return [str(floor), contender.removeprefix("floor-"), *tail]
    return [str(python), str(HERE / "peers.py"), contender, *tail]


def measure(name, rounds, programs):
    """CPU ms an image of each contender: the median of the rounds, and its lowest and highest."""
    folder, case, passes = CASES[name]
    times = {contender: [] for contender in CONTENDERS}
    for _ in range(rounds):
        for contender in CONTENDERS:
            line = quiet(*command(contender, case, programs[-1] / folder, passes, programs))
            times[contender].append(json.loads(line)["ms"])
    figures = {
        contender: {"median": statistics.median(ms), "low": min(ms), "high": max(ms)}
        for contender, ms in times.items()
    }
    ours = figures["gristmill"]["median"]
    floor = min(figures["floor-rgb"]["median"], figures["floor-planar"]["median"])
    ratios = {"floor": ours / floor}
    ratios |= {who: ours / figures[who]["median"] for who in ("opencv", "pillow")}
    return {"case": name, "ms": figures, "gristmill_to": ratios}


def table(results):
    print(f"{'case':<16}" + "".join(f"{who:>14}" for who in CONTENDERS)
          + f"{'to floor':>11}{'to opencv':>11}{'to pillow':>11}")
    for result in results:
        cells = "".join(f"{result['ms'][who]['median']:>14.2f}" for who in CONTENDERS)
        ratios = "".join(f"{result['gristmill_to'][who]:>11.2f}" for who in ("floor", "opencv", "pillow"))
        print(f"{result['case']:<16}{cells}{ratios}")


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--json", action="store_true", help="print JSON instead of a table")
    words.add_argument("--cases", default=",".join(CASES), help="which cases, with commas")
    words.add_argument("--photos", type=pathlib.Path, default=ROOT / "samples" / "photos")
    words.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/gristmill-bench-images"))
    words.add_argument("--target", type=pathlib.Path,
                       default=pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")))
    chosen = words.parse_args()
    chosen.work.mkdir(parents=True, exist_ok=True)
    programs = prepare(chosen.work, chosen.photos, chosen.target.resolve())
    results = [measure(name, chosen.rounds, programs) for name in chosen.cases.split(",")]
    print(json.dumps(results, indent=1)) if chosen.json else table(results)


main()
