#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "berth/v1/scheduler.pb.h"
#include "cli/output/message_value.h"
#include "cli/output/rows.h"
#include "cli/output/sections.h"
#include "cli/output/table.h"
#include "cli/output/terminal_text.h"
#include "yaml/write.h"

namespace berth::cli {
namespace {

using ::testing::ElementsAre;

TEST(TerminalTextTest, ShowsWhatATerminalWouldActOn) {
  EXPECT_EQ(TerminalText("plain été 日本"), "plain été 日本");
  EXPECT_EQ(TerminalText("a\x1b[2Jb\rc\nd\te\x7f"), "a\\x1b[2Jb\\x0dc\\nd\\te\\x7f");
  EXPECT_EQ(TerminalText("\xff\xc3("), "\\xff\\xc3(");
  EXPECT_EQ(TerminalText("abc\xe2\x80\xae\x64"), "abc\\u202ed");
  EXPECT_EQ(TerminalText("\xc2\x9b"), "\\u009b");  // CSI in one character
  EXPECT_EQ(TerminalLines("a\nb\x1b"), "a\nb\\x1b");
}

TEST(TerminalTextTest, CountsColumns) {
  EXPECT_EQ(Columns("abc"), 3u);
  EXPECT_EQ(Columns("été"), 3u);
  EXPECT_EQ(Columns("日本"), 4u);
  EXPECT_EQ(Columns("e\xcc\x81"), 1u);  // e with a combining accent
}

TEST(TableTest, AlignsColumnsThreeSpacesApart) {
  Table table({"ID", "NAME", "AGE"});
  table.AddRow({"1", "python3", "5s"});
  table.AddRow({"12", "", "3h"});
  EXPECT_EQ(table.Text(),
            "ID   NAME      AGE\n"
            "1    python3   5s\n"
            "12   -         3h\n");
}

TEST(TableTest, CountsCharactersNotBytesAndEscapes) {
  Table table({"NAME", "AGE"});
  table.AddRow({"été", "1s"});
  table.AddRow({"a\nb", "2s"});
  EXPECT_EQ(table.Text(),
            "NAME   AGE\n"
            "été    1s\n"
            "a\\nb   2s\n");
}

TEST(TableTest, WithoutRowsTheHeadersStand) {
  EXPECT_EQ(Table({"ID", "AGE"}).Text(), "ID   AGE\n");
}

TEST(TableTest, LaterRowsKeepTheWidths) {
  Table first({"ID", "AGE"});
  first.AddRow({"12345", "1s"});
  Table second({"ID", "AGE"});
  second.AddRow({"1", "2s"});
  std::vector<std::size_t> widths;
  EXPECT_EQ(first.Text(widths, true), "ID      AGE\n12345   1s\n");
  EXPECT_EQ(second.Text(widths, false), "1       2s\n");
}

TEST(SectionsTest, AlignsLabelsAndLeavesEmptyLinesOut) {
  Sections page;
  page.Title("Job 12");
  page.Line("Name", "train");
  page.Line("State", "");
  page.Line("Submitted by", "uid:0");
  page.Title("Nodes");
  page.Block("A   B\n1   2\n");
  EXPECT_EQ(page.Text(),
            "Job 12\n"
            "  Name:          train\n"
            "  Submitted by:  uid:0\n"
            "\n"
            "Nodes\n"
            "  A   B\n"
            "  1   2\n");
}

TEST(MessageValueTest, WritesMessagesAsProgramsLikeThem) {
  v1::Task task;
  task.set_id("12.3");
  task.set_state(v1::TASK_STATE_FAILED);
  task.set_reason(v1::REASON_CODE_OUT_OF_MEMORY);
  task.mutable_attempt()->set_end(v1::ATTEMPT_END_TIMED_OUT);
  task.mutable_attempt()->set_exit_code(0);
  task.mutable_attempt()->add_device_ids("GPU-0");
  task.mutable_resources()->set_memory_bytes(int64_t{1} << 40);
  (*task.mutable_resources()->mutable_extended())["b"] = 2;
  (*task.mutable_resources()->mutable_extended())["a"] = 1;
  EXPECT_EQ(
      yaml::WriteJson(MessageToValue(task)),
      R"({"id":"12.3","index":0,"state":"failed","reason":"OUT_OF_MEMORY",)"
      R"("attempt":{"number":0,"end":"timed-out","exitCode":0,"boundUnixMs":0,"startedUnixMs":0,)"
      R"("endedUnixMs":0,"deviceIds":["GPU-0"],"memoryBytes":0},"epoch":0,"attempts":0,)"
      R"("resources":{"memoryBytes":1099511627776,"extended":{"a":1,"b":2}},"submittedUnixMs":0})");
}

TEST(MessageValueTest, AJobsSpecTakesTheShapeOfAJobFile) {
  v1::Job job;
  job.set_id("1");
  job.mutable_spec()->add_groups()->mutable_template_()->mutable_payload()->add_command("true");
  const yaml::Value value = MessageToValue(job);
  EXPECT_EQ(yaml::WriteJson(*value.Find("spec")),
            R"({"apiVersion":"berth/v1","kind":"Job","command":["true"]})");
}

TEST(MessageValueTest, KeepsNumbersOfEnumsThatItDoesNotKnow) {
  v1::Task task;
  task.set_state(static_cast<v1::TaskState>(99));
  task.set_reason(static_cast<v1::ReasonCode>(9999));
  const yaml::Value value = MessageToValue(task);
  EXPECT_EQ(value.Find("state")->as_string(), "99");
  EXPECT_EQ(value.Find("reason")->as_string(), "9999");
}

TEST(RowsTest, AgeStandsLastInEveryTable) {
  for (const bool wide : {false, true}) {
    EXPECT_EQ(JobHeaders(wide).back(), "AGE");
    EXPECT_EQ(TaskHeaders(wide).back(), "AGE");
    EXPECT_EQ(NodeHeaders(wide).back(), "AGE");
    EXPECT_EQ(JobHeaders(wide).size(), JobCells(v1::Job(), wide, 0).size());
    EXPECT_EQ(TaskHeaders(wide).size(), TaskCells(v1::Task(), wide, 0).size());
    EXPECT_EQ(NodeHeaders(wide).size(), NodeCells(v1::Node(), wide, 0).size());
  }
}

TEST(RowsTest, ShowsANodeAtAGlance) {
  v1::Node node;
  node.set_name("gpu-1");
  node.set_state(v1::NODE_STATE_READY);
  node.set_cordoned(true);
  node.set_tasks(2);
  node.set_registered_unix_ms(1000);
  node.mutable_capacity()->set_cpu_milli(8000);
  node.mutable_capacity()->set_memory_bytes(int64_t{16} << 30);
  node.mutable_allocated()->set_cpu_milli(1500);
  node.mutable_allocated()->set_memory_bytes(int64_t{3277} << 20);
  for (const int held : {1000, 500, 0}) {
    v1::DeviceStatus* const status = node.add_devices();
    status->mutable_device()->set_kind("gpu");
    status->set_allocated_milli(held);
  }
  EXPECT_THAT(NodeCells(node, false, 61'000), ElementsAre("gpu-1", "ready,cordoned", "2", "1.5/8",
                                                          "3.2Gi/16Gi", "gpu 1.5/3", "1m"));
}

}  // namespace
}  // namespace berth::cli
