#!/usr/bin/env python3
"""Refuses, in the loop's rooms, what would make two runs on the same inputs differ.

The loop is a deterministic state machine: (state, commands, now, work budget, seed) -> (changes,
effects). The daemon, the simulator, the tests and the replay of an incident all run it, and must
get the same bits. So, in the paths that docs/determinism.txt lists, no file may

    clock           read a clock: `now` is an input of the turn
    random          draw random numbers from anything but base::Rng, whose algorithm is fixed
    input           read the environment, files, sockets, or ids of processes and threads
    hash-order      iterate a hash container: its order differs from run to run
    hash-value      use a hash of std or absl as a value: it differs from run to run, and that of
                    base/fixed_hash.h does not
    pointer-order   order by address: std::map<T*, ...>, std::set<T*>, pointers as integers

It reads text, not types: names declared with a hash container's type (aliases, members, functions
that return one, and what is bound to those by auto) are followed through a file, its header, and,
as members, through the headers that it includes.

Prints FILE:LINE: reason, and exits 1; a one-line count and 0 when all is well; 2 when the list
cannot be used.

Usage: check_determinism.py LIST [ROOT]    (LIST's paths are below ROOT, by default this folder)
"""
import pathlib
import re
import sys

REASONS = {
    "clock": "no wall clock in {room}: replay must be exact; `now` comes in with the turn",
    "random": "no randomness but base::Rng in {room}: replay must be exact, and the standard's "
              "generators and distributions differ from library to library",
    "input": "no input from outside in {room}: replay must be exact; what is read comes in as a "
             "command",
    "hash-order": "no iteration of a hash container in {room}: replay must be exact, and its order "
                  "differs from run to run; use an ordered container, or sort the keys",
    "hash-value": "no std or absl hash as a value in {room}: replay must be exact, and it differs "
                  "from run to run; use base/fixed_hash.h",
    "pointer-order": "no order by address in {room}: replay must be exact, and it differs from run "
                     "to run; order by id",
}

# (rule, pattern) for what can be seen in one place. A leading (?<![\w.>]) keeps members of the same
# name out.
PATTERNS = [(rule, re.compile(pattern)) for rule, pattern in [
    ("clock", r"\b(?:system|steady|high_resolution|utc|tai|file)_clock\s*::\s*now\b"),
    ("clock", r"\babsl\s*::\s*(?:Now|GetCurrentTimeNanos)\s*\("),
    ("clock", r"(?<![\w.>])(?:std\s*::|::)\s*(?:time|clock)\s*\("),
    ("clock", r"(?<![\w.>:])time\s*\(\s*(?:nullptr|NULL|0|&\s*\w+)\s*\)"),
    ("clock", r"(?<![\w.>])clock\s*\(\s*\)"),
    ("clock", r"(?<![\w.>])(?:gettimeofday|clock_gettime|timespec_get|ftime|localtime(?:_r)?)\s*\("),
    ("clock", r"\b(?:__rdtscp?|_rdtsc|__builtin_ia32_rdtscp?)\b"),
    ("clock", r"#\s*include\s*\"base/clock\.h\""),
    ("random", r"(?<![\w.>])(?:s?rand|s?random|rand_r|random_r|[delmnj]rand48|arc4random\w*)\s*\("),
    ("random", r"\b(?:getrandom|getentropy|NewUuid)\s*\("),
    ("random", r"\bstd\s*::\s*(?:random_device|mt19937(?:_64)?|minstd_rand0?|default_random_engine|"
               r"ranlux\w+|knuth_b|\w+_distribution|generate_canonical)\b"),
    ("random", r"\babsl\s*::\s*(?:BitGen\w*|InsecureBitGen|SharedBitGen|Uniform|Bernoulli|"
               r"Zipf|Poisson|Gaussian|Exponential|LogUniform|Beta)\b"),
    ("random", r"\bstd\s*::\s*(?:ranges\s*::\s*)?(?:shuffle|random_shuffle|sample)\s*\("),
    ("random", r"#\s*include\s*[<\"](?:random|absl/random/[^>\"]*|openssl/rand\.h)[>\"]"),
    ("input", r"(?<![\w.>])(?:secure_)?getenv\s*\("),
    ("input", r"(?<![\w.>])(?:getpid|getppid|gettid|pthread_self|gethostname|uname)\s*\("),
    ("input", r"\bthis_thread\s*::\s*get_id\b"),
    ("input", r"#\s*include\s*<(?:fstream|filesystem|sys/socket\.h|netdb\.h|fcntl\.h|cstdio|"
              r"stdio\.h)>"),
    ("input", r"#\s*include\s*\"base/small_file\.h\""),
    ("hash-value", r"\babsl\s*::\s*HashOf\s*\("),
    ("pointer-order", r"\breinterpret_cast\s*<\s*(?:std\s*::\s*)?"
                      r"(?:u?intptr_t|size_t|u?int64_t)\s*>"),
    ("pointer-order", r"\bstd\s*::\s*(?:less|greater|owner_less)\s*<[^<>;]*\*\s*>"),
]]

HASH_CONTAINER = re.compile(
    r"\b(?:unordered_(?:multi)?(?:map|set)|(?:flat|node)_hash_(?:map|set))\s*(?=<)")
ORDERED_CONTAINER = re.compile(
    r"\b(?P<name>(?:std\s*::\s*)(?:multi)?(?:map|set)|btree_(?:multi)?(?:map|set)|priority_queue)"
    r"\s*(?=<)")
# The position of a comparator among the template arguments of each.
COMPARATOR_AT = {"map": 2, "set": 1, "priority_queue": 2}
HASH_CALL = re.compile(r"\b(?:std\s*::\s*hash|absl\s*::\s*Hash)\s*(?=<)")
DECLARATOR = re.compile(
    r"\s*(?:const\b\s*)?(?:[&*]+\s*)?(?:const\b\s*)?((?:\w+\s*::\s*)*\w+)\s*"
    r"(?=[;={(,)\[:]|BERTH_)")
LOOP = re.compile(r"\bfor\s*\(")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
NOT_NAMES = {"const", "return", "operator", "if", "for", "while", "using", "typename", "auto"}
# What may follow a hash container's name without walking through it.
STEP_INTO = re.compile(r"\s*(?:\[|(?:\.|->)\s*(?!(?:c?begin|c?rbegin)\b)\w+)")
WALKERS = re.compile(
    r"\b(?:absl\s*::\s*c_\w+|std\s*::\s*ranges\s*::\s*\w+|std\s*::\s*views\s*::\s*\w+|"
    r"(?:std\s*::\s*|absl\s*::\s*)?erase_if|(?:std\s*::\s*)?c?begin)\s*\(\s*")


class ListError(Exception):
    pass


def blank_comments(text, strings=True):
    """`text` with comments, and literals unless told otherwise, as spaces; lines stay lines."""
    out = []
    token = re.compile(r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)"'
                       r'|"(?:\\.|[^"\\\n])*"'
                       r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'", re.DOTALL)
    at = 0
    for match in token.finditer(text):
        out.append(text[at:match.start()])
        piece = match.group()
        line_start = text.rfind("\n", 0, match.start()) + 1
        on_include = re.search(r"#\s*include\s*$", text[line_start:match.start()])
        if piece.startswith("/") or (strings and not on_include):
            piece = re.sub(r"[^\n]", " ", piece)
        out.append(piece)
        at = match.end()
    out.append(text[at:])
    return "".join(out)


def after_brackets(text, at, pairs="<>"):
    """The place after the bracket that closes the one at `at`, or None."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] == pairs[0]:
            depth += 1
        elif text[i] == pairs[1] and not (pairs == "<>" and text[i - 1] == "-"):
            depth -= 1
            if depth == 0:
                return i + 1
        elif text[i] == ";" and pairs == "<>":
            return None
    return None


def split_arguments(text):
    """The arguments of a template argument list or call, split at its outermost commas."""
    arguments, depth, current = [], 0, ""
    for c in text:
        if c in "<([{":
            depth += 1
        elif c in ">)]}":
            depth -= 1
        if c == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
        else:
            current += c
    return arguments + [current.strip()]


class Source:
    """A file: its text without comments, and the names whose type is, or holds, a hash container."""

    def __init__(self, path):
        raw = path.read_text(errors="replace")
        self.path = path
        self.text = blank_comments(raw)
        self.includes = INCLUDE.findall(blank_comments(raw, strings=False))
        # Name -> True when it is a hash container, False when it only holds some.
        self.aliases = {}  # of types
        self.names = {}    # of variables, members and functions
        self.collect_aliases()

    def line_of(self, at):
        return self.text.count("\n", 0, at) + 1

    def collect_aliases(self):
        for match in re.finditer(r"\busing\s+(\w+)\s*=\s*([^;]*);|"
                                 r"\btypedef\s+([^;]*?)\s*\b(\w+)\s*;", self.text):
            name, type_text = (match.group(1), match.group(2)) if match.group(1) else (
                match.group(4), match.group(3))
            if HASH_CONTAINER.search(type_text):
                self.aliases[name] = bool(
                    re.match(r"\s*(?:\w+\s*::\s*)*(?:unordered_|(?:flat|node)_hash_)", type_text))

    def type_ends(self, aliases):
        """(end, is_hash) for each mention of a hash container's type, with all it is nested in."""
        places = []
        for match in HASH_CONTAINER.finditer(self.text):
            end = after_brackets(self.text, match.end())
            if end:
                places.append((match.start(), end, True))
        if aliases:
            pattern = r"(?<![\w.>])(?:" + "|".join(map(re.escape, sorted(aliases))) + r")\b(?!\s*=)"
            for match in re.finditer(pattern, self.text):
                places.append((match.start(), match.end(), aliases[match.group()]))
        ends = []
        for start, end, is_hash in places:
            # Inside another template's arguments, it is that template's value which has the name.
            while True:
                closing = re.match(r"[^;(){}<>]*(?:<[^;(){}<>]*>[^;(){}<>]*)*>", self.text[end:])
                if not closing or not self.opened_before(start):
                    break
                end += closing.end()
                start = self.opened_before(start)
                is_hash = False
            ends.append((end, is_hash))
        return ends

    def opened_before(self, start):
        """Where the template opens whose arguments `start` lies in, or 0."""
        depth = 0
        for i in range(start - 1, -1, -1):
            c = self.text[i]
            if c in ";{}":
                return 0
            if c == ">":
                depth += 1
            elif c == "<":
                if depth == 0:
                    return i
                depth -= 1
        return 0

    def collect_names(self, aliases):
        for end, is_hash in self.type_ends(aliases):
            match = DECLARATOR.match(self.text, end)
            if match:
                name = match.group(1).split("::")[-1].strip()
                if name not in NOT_NAMES:
                    self.names[name] = self.names.get(name, False) or is_hash

    def declares(self, name):
        """Whether the file has a variable of this name, which then is not the header's member."""
        return re.search(r"[\w>](?<!return)(?<!throw)(?<!case)(?<!else)(?:\s+|\s*[&*]+\s*)" + name +
                         r"\s*(?:[;={,)\[]|:(?!:))", self.text)

    def bind_autos(self, visible):
        """Follows auto: `auto& m = slots_;`, `auto& m = by_node_[i];`, `for (auto& m : by_node_)`."""
        pattern = r"\bauto\b\s*(?:const\b\s*)?[&*]*\s*(\w+)\s*=\s*([^;]*);"
        for match in re.finditer(pattern, self.text):
            end = match.group(2).strip()
            tail = re.search(r"(?:^|[.>*&:\s])(\w+)\s*(\(\s*\)|\[[^\[\]]*\]|\.at\([^()]*\))?$", end)
            if not tail or tail.group(1) not in visible:
                continue
            holder_element = tail.group(2) and not tail.group(2).startswith("(")
            if visible[tail.group(1)] != bool(holder_element):
                self.names[match.group(1)] = True
        for match in LOOP.finditer(self.text):  # for (auto& m : maps): each m is a hash container
            close = after_brackets(self.text, match.end() - 1, "()")
            head = self.text[match.end():close - 1] if close else ""
            loop = re.match(r"(?P<what>[^;]*?[^:]):(?!:)(?P<over>[^;]*)$", head, re.DOTALL)
            over = re.search(r"(\w+)\s*(?:\(\s*\))?\s*$", loop.group("over")) if loop else None
            if over and visible.get(over.group(1)) is False:
                bound = re.search(r"\[([^\]]*)\]\s*$|(\w+)\s*$", loop.group("what"))
                for name in re.findall(r"\w+", bound.group(1) or bound.group(2)) if bound else []:
                    self.names[name] = True


class Checker:
    def __init__(self, list_path, root):
        self.root = root
        self.list_path = list_path
        self.paths, self.exceptions = self.read_list(list_path)
        self.used = set()
        self.problems = []
        self.sources = {}

    def read_list(self, list_path):
        paths, exceptions = [], {}
        for number, line in enumerate(list_path.read_text().splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            if not line.startswith("except "):
                paths.append(line)
                continue
            path, colon, rules = line.removeprefix("except ").partition(":")
            names = [rule.strip() for rule in rules.split(",") if rule.strip()]
            if not colon or not names:
                raise ListError(f"{list_path}:{number}: expected 'except path: rule, rule'")
            for rule in names:
                if rule not in REASONS:
                    raise ListError(f"{list_path}:{number}: '{rule}' is no rule; there are "
                                    f"{', '.join(REASONS)}")
            if not (self.root / path.strip()).is_file():
                raise ListError(f"{list_path}:{number}: {path.strip()} is excepted, and does not "
                                "exist")
            for rule in names:
                exceptions[(path.strip(), rule)] = number
        if not paths:
            raise ListError(f"{list_path}: lists nothing to check")
        return paths, exceptions

    def refuse(self, source, at, rule):
        name = str(source.path.relative_to(self.root))
        if (name, rule) in self.exceptions:
            self.used.add((name, rule))
            return
        parts = pathlib.PurePath(name).parts
        room = parts[1] if parts[0] in ("src", "include") and len(parts) > 2 else parts[0]
        problem = (name, source.line_of(at), REASONS[rule].format(room=room + "/"))
        if problem not in self.problems:
            self.problems.append(problem)

    def load(self, path):
        if path not in self.sources:
            self.sources[path] = Source(path)
        return self.sources[path]

    def included(self, source, seen=None):
        """The headers of this project that `source` includes, at any depth."""
        seen = {} if seen is None else seen
        for include in source.includes:
            for base in ("src", "include", "plugins"):
                path = self.root / base / include
                if path.is_file() and path not in seen and path != source.path:
                    seen[path] = self.load(path)
                    self.included(seen[path], seen)
        return seen

    def visible_names(self, source):
        """(own, foreign): names that hold anywhere in the file, and those that do as members."""
        headers = self.included(source)
        aliases = dict(source.aliases)
        for header in headers.values():
            aliases.update(header.aliases)
        for each in [*headers.values(), source]:
            each.collect_names(aliases)
        pair = source.path.with_suffix(".h")
        own, foreign = {}, {}
        for path, header in headers.items():
            for name, is_hash in header.names.items():
                if path == pair and not source.declares(name):
                    own[name] = is_hash
                elif not name.endswith("_"):
                    foreign[name] = is_hash
        own.update(source.names)
        for _ in range(3):  # auto of an auto
            source.bind_autos(foreign | own)
            own.update(source.names)
        return own, foreign

    def walked(self, expression, own, foreign):
        """Whether `expression`, what a loop goes over, is a hash container."""
        for match in re.finditer(r"\b\w+\b", expression):
            name, before = match.group(), expression[:match.start()].rstrip()
            if name in own:
                is_hash = own[name]
            elif name in foreign and before.endswith((".", "->")):
                is_hash = foreign[name]
            else:
                continue
            rest = re.sub(r"^\s*\(\s*\)", "", expression[match.end():])
            # Of a holder, one element is a hash container; of a hash container, one element is not.
            subscript = re.match(r"\s*(\[[^\[\]]*\]|\.\s*at\s*\([^()]*\))", rest)
            if not is_hash:
                if subscript and not STEP_INTO.match(rest[subscript.end():]):
                    return True
            elif not STEP_INTO.match(rest):
                return True
        return False

    def check_hash_order(self, source):
        own, foreign = self.visible_names(source)
        if not own and not foreign:
            return
        text = source.text
        for match in LOOP.finditer(text):
            close = after_brackets(text, match.end() - 1, "()")
            if not close:
                continue
            head = text[match.end():close - 1]
            loop = re.match(r"(?:[^;]*;)?[^;]*?[^:]:(?!:)(?P<over>[^;]*)$", head, re.DOTALL)
            if loop and self.walked(loop.group("over"), own, foreign):
                self.refuse(source, match.start(), "hash-order")
        for match in WALKERS.finditer(text):
            close = after_brackets(text, text.index("(", match.start()), "()")
            first = split_arguments(text[match.end():close - 1])[0] if close else ""
            if self.walked(first, own, foreign):
                self.refuse(source, match.start(), "hash-order")
        for match in re.finditer(r"\b(\w+)\s*(\(\s*\))?\s*(?:\.|->)\s*c?r?begin\s*\(", text):
            member = re.search(r"(?:\.|->)\s*$", text[:match.start()])
            if own.get(match.group(1)) or (member and foreign.get(match.group(1))):
                self.refuse(source, match.start(), "hash-order")

    def check_ordered_containers(self, source):
        for match in ORDERED_CONTAINER.finditer(source.text):
            end = after_brackets(source.text, match.end())
            if not end:
                continue
            arguments = split_arguments(source.text[match.end() + 1:end - 1])
            name = match.group("name")
            kind = name if name in COMPARATOR_AT else name[-3:]
            has_comparator = len(arguments) > COMPARATOR_AT[kind]
            key = arguments[0]
            owner = re.match(r"(?:std\s*::\s*)?(?:shared|unique)_ptr\s*<", key)
            if (key.endswith("*") or owner) and not has_comparator:
                self.refuse(source, match.start(), "pointer-order")

    def check_hash_values(self, source):
        for match in HASH_CALL.finditer(source.text):
            end = after_brackets(source.text, match.end())
            if end and re.match(r"\s*(?:\(\s*\)|\{\s*\})\s*\(", source.text[end:]):
                self.refuse(source, match.start(), "hash-value")

    def check(self, path):
        source = self.load(path)
        for rule, pattern in PATTERNS:
            for match in pattern.finditer(source.text):
                self.refuse(source, match.start(), rule)
        self.check_hash_order(source)
        self.check_ordered_containers(source)
        self.check_hash_values(source)

    def run(self):
        checked, absent = 0, []
        for listed in self.paths:
            path = self.root / listed
            if not path.exists():
                absent.append(listed)
                continue
            files = [path] if path.is_file() else sorted(
                p for p in path.rglob("*") if p.suffix in (".h", ".cc"))
            for file in files:
                self.check(file)
                checked += 1
        lines = [f"{name}:{line}: {reason}" for name, line, reason in self.problems]
        for (path, rule), number in sorted(self.exceptions.items()):
            if (path, rule) not in self.used:
                lines.append(f"{self.list_path}:{number}: {path} no longer needs its exception from "
                             f"'{rule}': take it off the list")
        if checked == 0 and not lines:
            lines.append(f"{self.list_path}: none of its paths exists: nothing was checked")
        if lines:
            print("\n".join(lines))
            return 1
        waiting = f"; not built yet: {', '.join(absent)}" if absent else ""
        print(f"determinism: {checked} files, nothing that replay could not repeat{waiting}")
        return 0


def main(list_path, root):
    try:
        return Checker(pathlib.Path(list_path), pathlib.Path(root)).run()
    except (ListError, OSError) as error:
        print(error)
        return 2


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "."))
