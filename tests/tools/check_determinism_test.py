"""The determinism checker refuses what a replay could not repeat, and leaves sound code alone."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_determinism.py"
LIST = "# what the loop is made of\nsrc/state\nsrc/scheduler\nplugins\n"

HEADER = """#pragma once
#include "absl/container/flat_hash_map.h"
using JobMap = absl::flat_hash_map<std::string, Job>;
struct Tables {
  absl::flat_hash_map<JobId, Job> jobs;
  std::vector<Job> list;
};
class Table {
 public:
  const std::unordered_set<int>& slots() const { return slots_; }
 private:
  std::unordered_set<int> slots_;
  JobMap by_name_;
  std::vector<absl::flat_hash_set<TaskId>> by_node_;
  absl::flat_hash_map<NodeId, std::vector<TaskId>> tasks_;
  mutable absl::node_hash_map<int, std::pair<int, std::map<int, int>>> deep_ BERTH_GUARDED_BY(mutex_);
  std::map<int, int> ordered_;
};
"""

FUNCTION = """#include "state/table.h"
void Table::Walk(Tables& t, const Tables* p) {
STATEMENT
}
"""


class CheckDeterminismTest(unittest.TestCase):
    def check(self, code, header=HEADER, listing=LIST, path="src/state/table.cc"):
        """Runs the checker on `code` beside table.h; returns its exit status and its lines."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in (("src/state/table.h", header), (path, code), ("list.txt", listing)):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            done = subprocess.run([sys.executable, CHECKER, "list.txt"], cwd=root,
                                  capture_output=True,
                                  text=True, check=False)
            return done.returncode, done.stdout.splitlines()

    def assert_refused(self, statement, reason, **where):
        """`statement` alone, on line 3 of a file, is refused, once, for `reason`."""
        code = FUNCTION.replace("STATEMENT", statement)
        status, lines = self.check(code, **where)
        self.assertEqual(status, 1, f"accepted: {statement}")
        self.assertEqual(len(lines), 1, lines)
        path = where.get("path", "src/state/table.cc")
        self.assertTrue(lines[0].startswith(f"{path}:3: "), lines[0])
        self.assertIn(reason, lines[0])
        self.assertIn("replay must be exact", lines[0].replace("it differs from run to run",
                                                               "replay must be exact"))

    def assert_accepted(self, statement, **where):
        code = FUNCTION.replace("STATEMENT", statement)
        status, lines = self.check(code, **where)
        self.assertEqual(status, 0, lines)

    def test_the_message_names_the_room_and_the_reason(self):
        self.assert_refused("auto now = std::chrono::steady_clock::now();",
                            "no wall clock in state/: replay must be exact")

    def test_refuses_clocks(self):
        for read in ("std::chrono::system_clock::now();", "absl::Now();", "::time(nullptr);",
                     "std::time(&t);",
                     "time(0);", "time( NULL );", "gettimeofday(&tv, nullptr);", "clock_gettime(CLOCK_BOOTTIME, &ts);",
                     "__rdtsc();", "std::clock();", "localtime_r(&t, &tm);"):
            self.assert_refused(read, "no wall clock")
        self.assert_refused('#include "base/clock.h"', "no wall clock")

    def test_refuses_foreign_randomness(self):
        for draw in ("rand();", "srand(1);", "std::random_device d;", "std::mt19937_64 g(1);",
                     "absl::BitGen g;",
                     "std::uniform_int_distribution<int> d(1, 6);", "getrandom(b, 8, 0);",
                     "base::NewUuid();",
                     "std::shuffle(v.begin(), v.end(), g);", "std::ranges::shuffle(v, g);", "absl::Uniform(g, 0, 9);",
                     "#include <random>", "drand48();"):
            self.assert_refused(draw, "no randomness but base::Rng")

    def test_refuses_input_from_outside(self):
        for read in ('getenv("HOME");', "std::getenv(name);", "#include <fstream>",
                     "#include <sys/socket.h>",
                     "getpid();", "std::this_thread::get_id();", '#include "base/small_file.h"'):
            self.assert_refused(read, "no input from outside")

    def test_refuses_iteration_of_hash_containers(self):
        for loop in ("for (int s : slots_) Use(s);",
                     "for (const auto& [name, job] : by_name_) Use(job);",  # through an alias
                     "for (int s : slots()) Use(s);",  # through the function that returns it
                     "for (auto& [id, job] : t.jobs) Use(job);",
                     "for (auto& [id, job] : p->jobs) Use(job);",
                     "for (auto& [id, job] : jobs) Use(job); return jobs;",  # as in a member function of Tables
                     "for (const auto& id : by_node_[3]) Use(id);",  # an element of a holder
                     "for (const auto& [k, v] : deep_) Use(k);",
                     "for (auto it = slots_.begin(); it != slots_.end(); ++it) Use(*it);",
                     "std::vector<int> v(slots_.cbegin(), slots_.cend());",
                     "const auto& all = slots_; for (int s : all) Use(s);",
                     "const auto& one = by_node_[0]; for (auto id : one) Use(id);",
                     "for (auto& tasks : by_node_) for (auto id : tasks) Use(id);",
                     "absl::flat_hash_set<int> local; for (int i : local) Use(i);",
                     "std::unordered_map<int, int> local{{1, 2}}; for (auto& p : local) Use(p);",
                     "for (int i = 0; int s : slots_) Use(s + i);",
                     "absl::c_for_each(slots_, Use);", "std::ranges::for_each(slots_, Use);",
                     "absl::erase_if(by_name_, Old);", "Use(*std::begin(slots_));",
                     "for (auto id : std::views::keys(by_name_)) Use(id);",
                     "for (\n const auto& job : by_name_) Use(job);"):
            self.assert_refused(loop, "no iteration of a hash container")

    def test_refuses_iteration_of_a_parameter(self):
        code = "void F(const absl::flat_hash_map<int, int>& counts) {\n  for (auto& c : counts) Use(c);\n}\n"
        status, lines = self.check(code, path="src/state/other.cc")
        self.assertEqual(status, 1)
        self.assertTrue(lines[0].startswith("src/state/other.cc:2: no iteration of a hash container"), lines)

    def test_follows_members_into_other_rooms(self):
        self.assert_refused("for (auto& [id, job] : t.jobs) Use(job);",
                            "no iteration of a hash container in scheduler/",
                            path="src/scheduler/turn.cc")

    def test_accepts_lookups_and_ordered_iteration(self):
        for use in ("if (slots_.contains(3)) Use(3);",
                    "auto it = by_name_.find(name); if (it != by_name_.end()) Use(it->second);",
                    "for (TaskId id : tasks_[node]) Use(id);", "for (TaskId id : tasks_.at(node)) Use(id);",
                    "for (std::size_t i = 0; i < slots_.size(); ++i) Use(i);",
                    "for (auto& node : by_node_) Use(node.size());",
                    "for (auto& [a, b] : ordered_) Use(a);", "for (auto& j : t.list) Use(j);",
                    "std::vector<int> jobs; for (int j : jobs) Use(j);",  # not the member of the same name
                    "for (int i : {1, 2}) Use(slots_.count(i));",
                    "for (auto& [k, v] : deep_.find(1)->second.second) Use(k);",
                    "std::sort(v.begin(), v.end());", "slots_.erase(3);"):
            self.assert_accepted(use)

    def test_accepts_words_that_only_look_alike(self):
        for line in ("// absl::Now() would be wrong here: for (int s : slots_)",
                     "/* rand() and\nstd::random_device */", 'Log("time(nullptr), rand()");', "task.time(0);",
                     "std::int64_t now = turn.now_ms;", "timeline(0);", "operand(1);", "job->random();",
                     "queue.clock();", "constexpr int k = 1'000'000; for (int i = 0; i < k; ++i) Use(\"'\");",
                     'Use(R"(for (int s : slots_) rand())");'):
            self.assert_accepted(line)

    def test_refuses_hashes_of_std_and_absl_as_values(self):
        for use in ("auto h = std::hash<std::string>()(name);", "auto h = absl::Hash<JobId>{}(id);",
                    "auto h = absl::HashOf(a, b);"):
            self.assert_refused(use, "no std or absl hash as a value")
        self.assert_accepted("absl::flat_hash_map<JobId, int, absl::Hash<JobId>> map; Use(map.size());")
        self.assert_accepted("std::size_t operator()(X x) const { return FixedHash(x.v); }")

    def test_refuses_order_by_address(self):
        for use in ("std::map<const Job*, int> m;", "std::set<Job*> s;",
                    "absl::btree_map<Job *, int> m;",
                    "std::multiset<std::shared_ptr<Job>> s;", "std::priority_queue<Node*> q;",
                    "auto n = reinterpret_cast<std::uintptr_t>(job);", "std::set<int, std::less<Job*>> s;"):
            self.assert_refused(use, "no order by address")
        for use in ("std::map<JobId, Job*> m;", "std::set<Job*, ById> s;",
                    "std::map<Pair<int, int>, int> m;",
                    "std::priority_queue<Node*, std::vector<Node*>, ByScore> q;"):
            self.assert_accepted(use)

    def test_an_exception_holds_for_its_file_and_its_rule(self):
        listing = LIST + "except src/state/table.cc: clock\n"
        self.assert_accepted("absl::Now();", listing=listing)
        self.assert_refused("absl::Now(); rand();", "no randomness", listing=listing)

    def test_an_exception_that_is_not_needed_is_refused(self):
        status, lines = self.check("void F();\n",
                                   listing=LIST + "except src/state/table.cc: clock\n")
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["list.txt:5: src/state/table.cc no longer needs its exception "
                                 "from 'clock': take it off the list"])

    def test_refuses_a_list_that_cannot_be_meant(self):
        for line, expected in (("except src/state/gone.cc: clock",
                                "src/state/gone.cc is excepted, and does not exist"),
                               ("except src/state/table.cc: clocks", "'clocks' is no rule"),
                               ("except src/state/table.cc", "expected 'except path: rule, rule'")):
            status, lines = self.check("void F();\n", listing=LIST + line + "\n")
            self.assertEqual(status, 2, lines)
            self.assertIn(expected, lines[0])

    def test_a_list_that_checks_nothing_is_refused(self):
        status, lines = self.check("void F();\n", listing="src/elsewhere\n")
        self.assertEqual(status, 1)
        self.assertEqual(lines, ["list.txt: none of its paths exists: nothing was checked"])

    def test_says_which_rooms_do_not_exist_yet(self):
        status, lines = self.check("void F();\n")
        self.assertEqual(status, 0)
        self.assertEqual(lines, ["determinism: 2 files, nothing that replay could not repeat; "
                                 "not built yet: src/scheduler, plugins"])


if __name__ == "__main__":
    unittest.main()
