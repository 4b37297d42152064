#!/usr/bin/env python3
"""Checks who may include whom: the house's one-way rule, and one door per third-party library.

Reads a plain-text table (docs/layers.txt), one folder a line:
    folder: allowed folder, allowed folder, ...   | third-party doors it may open
A folder may always include itself; a plugin, its own folder and common/.

Includes are written from an include root: "state/node_table.h" for src/state/node_table.h,
"berth/ids.h" for include/berth/ids.h, "common/slots.h" for plugins/common/slots.h.

A .cc that no CMakeLists.txt or .cmake file of its root names is refused too: nobody compiles it.

Prints FILE:LINE for each include that the table does not allow, then exits 1; prints a one-line
count and exits 0 when all is well; exits 2 when the table itself cannot be used.

Usage: check_layers.py TABLE ROOT [ROOT...]   (roots are the include roots: src include plugins)
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
SUFFIXES = (".h", ".cc")
# Include prefix -> door. What is not named here is free for all (std, absl, the operating system).
DOORS = {
    "grpcpp/": "grpc", "grpc/": "grpc", "grpc++/": "grpc",
    "google/protobuf/": "proto", "google/rpc/": "proto",
    "yaml-cpp/": "yaml",
    "prometheus/": "prometheus",
    "spdlog/": "spdlog", "fmt/": "spdlog",
    "rocksdb/": "rocksdb",
    "nlohmann/": "json",
    "CLI/": "args",
    "openssl/": "crypto",
    "archive.h": "archive", "archive_entry.h": "archive",
    "curl/": "curl",
    "re2/": "re2",
    "archive.h": "archive", "archive_entry.h": "archive",
    "httplib": "http", "civetweb": "http", "CivetServer": "http",
    "lemon/": "solvers", "coin/": "solvers", "pagmo/": "solvers", "glpk": "solvers",
}


def built_sources(root):
    """Every .cc that a CMake file under the root names, by its path."""
    found = set()
    for lists in [*root.rglob("CMakeLists.txt"), *root.rglob("*.cmake")]:
        text = re.sub(r"#.*", "", lists.read_text())
        found |= {lists.parent / name for name in re.findall(r"[\w./-]+\.cc\b", text)}
    return found


class TableError(Exception):
    pass


def read_table(path):
    """Returns {folder: allowed folders} and {folder: doors}."""
    allowed, doors = {}, {}
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        folder, colon, rest = line.partition(":")
        folder = folder.strip()
        if not colon or not folder:
            raise TableError(f"{path}:{number}: expected 'folder: folders | doors'")
        if folder in allowed:
            raise TableError(f"{path}:{number}: folder '{folder}' is listed twice")
        deps, _, opens = rest.partition("|")
        allowed[folder] = {d.strip() for d in deps.split(",") if d.strip()}
        doors[folder] = {d.strip() for d in opens.split(",") if d.strip()}
    known_doors = set(DOORS.values())
    for folder, deps in allowed.items():
        if "*" in deps:  # every folder of the table
            deps.remove("*")
            deps.update(allowed)
        for dep in sorted(deps - set(allowed)):
            raise TableError(f"{path}: '{folder}' may include '{dep}', which is not in the table")
        for door in sorted(doors[folder] - known_doors):
            raise TableError(f"{path}: '{folder}' opens '{door}', which is no door that "
                             "tools/check_layers.py knows")
    return allowed, doors


def check_no_cycles(allowed, path):
    """The table must be one-way itself: follow each folder down, and meet none twice on the way."""
    done = set()

    def descend(folder, way):
        if folder in way:
            circle = " -> ".join(way[way.index(folder):] + [folder])
            raise TableError(f"{path}: the table goes round in a circle: {circle}")
        if folder not in done:
            for dep in sorted(allowed[folder] - {folder}):
                descend(dep, way + [folder])
            done.add(folder)

    for folder in allowed:
        descend(folder, [])


def door_of(include):
    if include.endswith(".grpc.pb.h"):
        return "grpc"
    if include.endswith(".pb.h"):
        return "proto"
    return next((name for prefix, name in DOORS.items() if include.startswith(prefix)), None)


def folder_of(root, path):
    return "plugins" if root.name == "plugins" else path.relative_to(root).parts[0]


class Checker:
    def __init__(self, table, roots):
        self.table = table
        self.roots = [pathlib.Path(root) for root in roots]
        self.allowed, self.doors = read_table(table)
        check_no_cycles(self.allowed, table)
        self.problems = []
        self.includes = 0

    def target_of(self, include):
        """The folder that an include leads to, or None when it is not one of ours."""
        first = include.split("/")[0]
        if first in self.allowed and first != "plugins" and "/" in include:
            return first
        for root in self.roots:
            if root.name == "plugins" and (root / include).is_file():
                return "plugins"
        return None

    def check_include(self, root, path, number, quote, include):
        def refuse(reason):
            self.problems.append(f"{path}:{number}: {reason}")

        folder = folder_of(root, path)
        parts = path.relative_to(root).parts
        first = include.split("/")[0]
        if first in ("..", ".", "src", "include", "plugins", "tests"):
            refuse(f"{include}: write includes from an include root, as \"state/node_table.h\"")
            return
        door = door_of(include)
        if door:
            if door not in self.doors[folder]:
                open_to = sorted(f for f, opened in self.doors.items() if door in opened)
                refuse(f"{folder} may not open the '{door}' door ({include}): it is open to "
                       f"{', '.join(open_to) or 'no folder'}, so that each library has few users")
            return
        target = self.target_of(include)
        if target is None:
            if quote == '"' and first != "absl":
                roots = " ".join(map(str, self.roots))
                refuse(f"{include}: not found under {roots}; write it from an include root, and "
                       "foreign headers with <>")
        elif target == folder == "plugins":
            if len(parts) > 1 and first not in (parts[0], "common"):
                refuse(f"plugin {parts[0]} may not include {include}: a plugin sees berth/, its "
                       "own folder and common/")
        elif target != folder and target not in self.allowed[folder]:
            refuse(f"{folder} may not include {include}: data flows one way, see {self.table}")

    def run(self):
        for root in self.roots:
            built = built_sources(root)
            for path in sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES):
                if len(path.relative_to(root).parts) < 2 and root.name != "plugins":
                    self.problems.append(f"{path}:1: a file belongs in a folder of {root}")
                    continue
                folder = folder_of(root, path)
                if folder not in self.allowed:
                    self.problems.append(f"{path}:1: folder '{folder}' is not in {self.table}")
                    continue
                if path.suffix == ".cc" and path not in built:
                    self.problems.append(f"{path}:1: in no CMakeLists.txt, so nothing compiles it: "
                                         "add it to its library, or delete it")
                for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                    match = INCLUDE.match(line)
                    if match:
                        self.includes += 1
                        self.check_include(root, path, number, match.group(1), match.group(2))
        return self.problems


def main(table, roots):
    try:
        checker = Checker(table, roots)
    except (TableError, OSError) as error:
        print(error)
        return 2
    problems = checker.run()
    print("\n".join(problems) if problems else f"layers: {checker.includes} includes, all downward")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
