#!/usr/bin/env python3
"""Finds dependencies that no code uses, or only tests, in each crate, in the workspace and in the
Python package. Prints each as manifest: name: why, and fails.

It only reads. A use is `name::` or `use name` in Rust and an import in Python, but no comment. Each
run first checks a small crate in which everything is wrong: a check that has gone blind fails.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

# What no code uses and is needed all the same, with the reason. What need not stand here any more is
# reported too.
ALLOWED = {
    ("python/requirements-dev.txt", "pytest-timeout"): "pytest asks it about `timeout`",
}
IMPORTED_AS = {"pillow": "PIL"}

UNUSED = "no code uses it"
OF_TESTS = "only tests use it: it belongs to dev-dependencies"
TWICE = "it is a dependency and a dev-dependency"
KINDS = ("dependencies", "dev-dependencies", "build-dependencies")

TEST_ITEM = re.compile(r"^( *)#\[cfg\(test\)\]\n(?:\1.*;\n|(?:.*\n)*?\1\}.*\n)", re.MULTILINE)
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\n *(?:pub.* )?mod (\w+);")


def uses(code: str, name: str) -> bool:
    """Whether Rust code uses a crate."""
    name = name.replace("-", "_")
    way = rf'(?<!\w)(?<!\w::){name}::|\b(?:use|crate) (?:::)?{name}\b|\bwith = "{name}\b'
    return re.search(way, code) is not None


def dependencies(manifest: dict[str, Any]) -> list[set[str]]:
    """The names of a manifest's dependencies by kind, of all targets together."""
    tables = [manifest, *manifest.get("target", {}).values()]
    return [set(chain.from_iterable(table.get(kind, {}) for table in tables)) for kind in KINDS]


def shipped(files: dict[str, str]) -> str:
    """The code of a crate that is not for tests: neither files nor parts of files."""
    of_tests = {"tests", "examples", "benches", "build"}
    for path, text in files.items():
        module = re.sub(r"/(?:lib|main|mod)$", "", path.removesuffix(".rs"))
        of_tests |= {f"{module}/{name}" for name in TEST_MODULE.findall(text)}
    skipped = re.compile("|".join(rf"{each}(?:\.rs$|/)" for each in of_tests))
    kept = [text for path, text in files.items() if not skipped.match(path)]
    return "".join(TEST_ITEM.sub("", text) for text in kept)


def check_crate(manifest: dict[str, Any], files: dict[str, str]) -> list[tuple[str, str]]:
    """What is wrong with the dependencies of a crate. Its files are given by their paths in it."""
    files = {path: re.sub(r"//.*", "", text) for path, text in files.items()}
    build_code, code, all_code = files.get("build.rs", ""), shipped(files), "".join(files.values())
    ordinary, dev, build = dependencies(manifest)
    wrong = {name: UNUSED for name in ordinary | dev if not uses(all_code, name)}
    wrong |= {name: UNUSED for name in build if not uses(build_code, name)}
    wrong |= {name: OF_TESTS for name in ordinary - set(wrong) if not uses(code, name)}
    return sorted((wrong | dict.fromkeys(ordinary & dev, TWICE)).items())


def check_rust(root: Path) -> list[tuple[str, str, str]]:
    """What is wrong in the crates and in the list of the workspace."""
    found = []
    named: set[str] = set()
    for path in sorted(root.glob("crates/*/Cargo.toml")):
        manifest, crate = tomllib.loads(path.read_text()), path.parent
        named = named.union(*dependencies(manifest))
        files = {str(each.relative_to(crate)): each.read_text() for each in crate.rglob("*.rs")}
        wrong = check_crate(manifest, files)
        found += [(str(path.relative_to(root)), name, why) for name, why in wrong]
    listed = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]["dependencies"]
    return found + [
        ("Cargo.toml", name, "no crate names it") for name in listed if name not in named
    ]


def imported(folder: Path) -> set[str]:
    """The packages that Python code imports."""
    trees = [ast.parse(path.read_text()) for path in folder.rglob("*.py")]
    nodes = list(chain.from_iterable(map(ast.walk, trees)))
    names = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def check_python(root: Path) -> list[tuple[str, str, str]]:
    """What is wrong in the requirements of the Python package and of its tests."""
    project = tomllib.loads((root / "python/pyproject.toml").read_text())["project"]
    users = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    developers = (root / "python/requirements-dev.txt").read_text().splitlines()
    package, tests = imported(root / "python/gristmill"), imported(root / "python/tests")
    # Tools are started and not imported.
    tools = set(re.findall(r"/bin/(\w+)", (root / "scripts/python.sh").read_text()))
    manifests = [
        ("python/pyproject.toml", users, package),
        ("python/requirements-dev.txt", developers, package | tests | tools),
    ]
    return [
        (manifest, name, UNUSED)
        for manifest, requirements, used in manifests
        for name in re.findall(r"^[\w-]+", "\n".join(requirements), re.MULTILINE)
        if IMPORTED_AS.get(name, name) not in used
    ]


def self_check() -> None:
    """Fails where the check does not find what is wrong with a crate."""
    ordinary = ["used", "gone", "in-comment", "in-path", "for-tests", "twice"]
    manifest = {
        "dependencies": dict.fromkeys(ordinary),
        "dev-dependencies": dict.fromkeys(["twice", "for-more-tests", "gone-too"]),
        "build-dependencies": {"not-in-build": None},
    }
    files = {
        "src/lib.rs": "use used::It;\n#[cfg(test)]\nmod model;\n// in_comment::it\n"
        "use crate::in_path::It;\nfn f() { twice::f() }\n"
        "#[cfg(test)]\nmod tests {\n    use for_tests::It;\n}\nfn g() { not_in_build::g() }\n",
        "src/model.rs": "use for_tests::Other;\n",
        "tests/it.rs": "use for_more_tests::It;\n",
    }
    unused = ["gone", "gone-too", "in-comment", "in-path", "not-in-build"]
    wanted = {**dict.fromkeys(unused, UNUSED), "for-tests": OF_TESTS, "twice": TWICE}
    found = check_crate(manifest, files)
    assert found == sorted(wanted.items()), f"the check of dependencies is broken: {found}"


def main() -> int:
    """Prints what is wrong; gives the exit status."""
    self_check()
    root = Path(__file__).resolve().parent.parent
    found = {(manifest, name): why for manifest, name, why in check_rust(root) + check_python(root)}
    for allowed in ALLOWED:
        if found.pop(allowed, None) is None:
            found[allowed] = f"it need not be in ALLOWED of {Path(__file__).name} any more"
    for (manifest, name), why in found.items():
        print(f"{manifest}: {name}: {why}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
