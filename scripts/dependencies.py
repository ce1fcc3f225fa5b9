#!/usr/bin/env python3
"""Checks what a crate may depend on, from `cargo metadata`: the layers, and the licences.

deny.toml says the same and more to cargo-deny (`make deny`); this needs nothing installed.
"""

import json
import re
import subprocess
import sys

ARROW = {
    "tributary-resp": set(),
    "tributary-rdb": set(),
    "tributary-tls": set(),
    "tributary-engine": {"tributary-resp", "tributary-rdb", "tributary-tls"},
    "tributary-metrics": set(),
    "tributary-relay": {"tributary-metrics", "tributary-resp", "tributary-tls"},
    "tributary-console": {"tributary-engine"},
    "tributary-cli": {"tributary-console", "tributary-engine", "tributary-metrics", "tributary-relay"},
    "tributary-desktop": {"tributary-console"},
    "tributary-tests": set(),
    "tributary-bench": {"tributary-rdb", "tributary-tests"},
}
SANS_IO = {"tributary-resp", "tributary-rdb"}
IO = re.compile(r"^(tokio|mio|async-std|smol|socket2)(-.*)?$")
LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unicode-3.0", "Unlicense", "Zlib",
}


def allowed(expression):
    """Whether an SPDX expression can be met by the licences above."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    words, index = [], 0
    while index < len(tokens):
        if tokens[index] in ("AND", "OR", "(", ")"):
            words.append({"AND": "and", "OR": "or"}.get(tokens[index], tokens[index]))
        else:
            name = tokens[index]
            if tokens[index + 1 : index + 2] == ["WITH"]:
                name = " ".join(tokens[index : index + 3])
                index += 2
            words.append(str(name in LICENCES))
        index += 1
    return eval(" ".join(words), {"__builtins__": {}})  # Only True, False, and, or and brackets are left.


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    members = set(metadata["workspace_members"])
    problems = []
    for package in metadata["packages"]:
        name = package["name"]
        if package["id"] not in members:
            licence = package["license"]
            if not (licence and allowed(licence)) and not package["license_file"]:
                problems.append(f"{name} {package['version']}: licence {licence} is not on the list")
            continue
        if name not in ARROW:
            problems.append(f"{name}: not in the list of layers in scripts/dependencies.py")
            continue
        for dependency in package["dependencies"]:
            other, kind = dependency["name"], dependency["kind"]
            if other.startswith("tributary-") and other not in ARROW[name] and kind != "dev":
                problems.append(f"{name} must not depend on {other}")
            if re.match(r"^tauri(-|$)", other) and name != "tributary-desktop":
                problems.append(f"{name} must not depend on {other}: only the window may")
            if name in SANS_IO and kind != "dev" and IO.match(other):
                problems.append(f"{name} must not depend on {other}: it takes bytes and gives values")
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{len(metadata['packages'])} packages keep the layers and the licences")
    sys.exit(bool(problems))


main()
