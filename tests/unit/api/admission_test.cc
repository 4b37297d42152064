#include "api/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "api/job_spec_reader.h"
#include "base/sha256.h"

namespace berth::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMinInt64 = std::numeric_limits<int64_t>::min();

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() { payload().add_command("./square.sh"); }

  v1::TaskGroup& group() { return groups() == 0 ? *job_.add_groups() : *job_.mutable_groups(0); }
  int groups() const { return job_.groups_size(); }
  v1::TaskTemplate& task() { return *group().mutable_template_(); }
  v1::Payload& payload() { return *task().mutable_payload(); }
  v1::IndexRange& range(int64_t first, int64_t last, int64_t step = 0) {
    v1::IndexRange& range = *group().mutable_array()->add_ranges();
    range.set_first(first);
    range.set_last(last);
    range.set_step(step);
    return range;
  }

  AdmittedJob Admitted() {
    auto outcome = Admit(job_, options_);
    if (const auto* refusal = std::get_if<wire::Refusal>(&outcome)) {
      ADD_FAILURE() << refusal->message;
      return {};
    }
    return std::get<AdmittedJob>(outcome);
  }
  wire::Refusal Refused() {
    auto outcome = Admit(job_, options_);
    if (const auto* refusal = std::get_if<wire::Refusal>(&outcome)) return *refusal;
    ADD_FAILURE() << "admitted";
    return {};
  }
  // Paths of the fields that are at fault.
  std::vector<std::string> Faults() {
    std::vector<std::string> fields;
    for (const wire::FieldViolation& violation : Refused().violations) {
      fields.push_back(violation.field);
    }
    return fields;
  }

  v1::JobSpec job_;
  AdmissionOptions options_;
};

// ---- defaults and rounding ----

TEST_F(AdmissionTest, CpusOfATasksOwnAreAResourceThatItAsksFor) {
  task().mutable_resources()->set_cpu_milli(3000);
  (*task().mutable_resources()->mutable_extended())["zeppelins"] = 1;
  (*task().mutable_resources()->mutable_extended())["balloons"] = 1;
  using Extended = std::vector<std::pair<std::string, int32_t>>;
  EXPECT_EQ(Admitted().spec->groups[0].needs->requests.extended,
            (Extended{{"balloons", 1}, {"zeppelins", 1}}));
  for (const v1::CpuPlacement own : {v1::CPU_PLACEMENT_DEDICATED, v1::CPU_PLACEMENT_NUMA}) {
    task().set_cpu_placement(own);
    EXPECT_EQ(Admitted().spec->groups[0].needs->requests.extended,
              (Extended{{"balloons", 1}, {"dedicated-cpus", 3}, {"zeppelins", 1}}));
  }
}

TEST_F(AdmissionTest, FillsInWhatIsAbsentAndSaysSo) {
  const AdmittedJob admitted = Admitted();
  const state::JobSpec& spec = *admitted.spec;
  EXPECT_EQ(spec.name, "square.sh");
  EXPECT_EQ(spec.ns, "default");
  EXPECT_EQ(spec.queue, "default");
  EXPECT_EQ(spec.profile, "default");
  ASSERT_EQ(spec.groups.size(), 1u);
  EXPECT_EQ(spec.groups[0].needs->requests.builtin[kCpu], 1000);
  EXPECT_EQ(spec.groups[0].needs->requests.builtin[kMemory], 1024);
  EXPECT_EQ(spec.groups[0].grace_ms, 30'000);
  EXPECT_FALSE(spec.groups[0].in_array);
  EXPECT_EQ(spec.task_count(), 1);
  EXPECT_THAT(admitted.defaults_applied,
              ElementsAre("namespace=default", "queue=default", "profile=default", "cpu=1",
                          "memory=1Gi", "grace=30s"));
}

TEST_F(AdmissionTest, TheDefaultsAreTheOperators) {
  options_.defaults = {.cpu_milli = 250, .memory_bytes = 100 * kMiB};
  options_.grace_ms = 5'000;
  const AdmittedJob admitted = Admitted();
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kCpu], 250);
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kMemory], 100);
  EXPECT_EQ(admitted.spec->groups[0].grace_ms, 5'000);
  EXPECT_THAT(admitted.defaults_applied, Contains("memory=100Mi"));
}

TEST_F(AdmissionTest, DefaultsOfSeveralGroupsAreToldApart) {
  group().set_name("a");
  task().mutable_resources()->set_cpu_milli(1);
  v1::TaskGroup& second = *job_.add_groups();
  second.set_name("b");
  second.mutable_template_()->mutable_payload()->add_command("true");
  const AdmittedJob admitted = Admitted();
  EXPECT_THAT(admitted.defaults_applied, Contains("a.memory=1Gi"));
  EXPECT_THAT(admitted.defaults_applied, Contains("b.cpu=1"));
  EXPECT_THAT(admitted.defaults_applied, ::testing::Not(Contains("a.cpu=1")));
}

TEST_F(AdmissionTest, AmountsAreRoundedUpToQuantaInTheKeptSpecificationToo) {
  task().mutable_resources()->set_memory_bytes(10 * kMiB + 1);
  v1::DeviceRequest& device = *task().add_devices();
  device.set_kind("gpu");
  device.set_count(1);
  device.set_memory_bytes(1);
  const AdmittedJob admitted = Admitted();
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kMemory], 11);
  EXPECT_EQ(admitted.spec->groups[0].needs->devices[0].memory_mib, 1);
  v1::JobSpec kept;
  ASSERT_TRUE(kept.ParseFromString(*admitted.blob));
  EXPECT_EQ(kept.groups(0).template_().resources().memory_bytes(), 11 * kMiB);
  EXPECT_EQ(kept.groups(0).template_().devices(0).memory_bytes(), kMiB);
}

TEST_F(AdmissionTest, TheNameComesFromTheFirstWordAsFarAsItCan) {
  const std::pair<const char*, const char*> cases[] = {
      {"/usr/bin/python3", "python3"}, {"my prog", "my_prog"}, {"dir/", "job"}};
  for (const auto& [word, name] : cases) {
    payload().set_command(0, word);
    EXPECT_EQ(Admitted().spec->name, name);
  }
  payload().set_command(0, std::string(100, 'x'));
  EXPECT_EQ(Admitted().spec->name, std::string(63, 'x'));
  payload().set_script("#!/bin/sh\ntrue\n");
  EXPECT_EQ(Admitted().spec->name, "script");
}

TEST_F(AdmissionTest, TheSameJobHasTheSameAddress) {
  for (int i = 0; i < 20; ++i) (*job_.mutable_labels())["k" + std::to_string(i)] = "v";
  const AdmittedJob first = Admitted();
  v1::JobSpec again;
  ASSERT_TRUE(again.ParseFromString(job_.SerializeAsString()));
  job_ = again;
  const AdmittedJob second = Admitted();
  EXPECT_EQ(first.spec->blob, second.spec->blob);
  EXPECT_EQ(first.spec->blob, base::Sha256Of(*first.blob));
}

TEST_F(AdmissionTest, WhatIsKeptIsReadBackAsItWas) {
  job_.set_priority(-7);
  (*job_.mutable_labels())["team"] = "blue";
  range(0, 9);
  range(20, 40, 5);
  group().set_retries(3);
  task().set_time_limit_ms(60'000);
  task().set_grace_ms(0);
  task().set_max_processes(64);
  group().set_on_partition(v1::ON_PARTITION_KILL);
  (*task().mutable_resources()->mutable_extended())["ports"] = 2;
  v1::DeviceRequest& device = *task().add_devices();
  device.set_kind("gpu");
  device.set_count(1);
  device.set_share_milli(250);
  device.add_models("A100");
  (*task().mutable_node_selector())["zone"] = "eu";
  v1::LabelRequirement& requirement =
      *task().mutable_node_affinity()->add_required()->add_requirements();
  requirement.set_key("cores");
  requirement.set_op(v1::SELECTOR_OPERATOR_GT);
  requirement.add_values("-5");
  v1::PreferredNodes& preferred = *task().mutable_node_affinity()->add_preferred();
  preferred.set_weight(100);
  v1::LabelRequirement& wish = *preferred.mutable_selector()->add_requirements();
  wish.set_key("ssd");
  wish.set_op(v1::SELECTOR_OPERATOR_EXISTS);
  v1::Toleration& toleration = *task().add_tolerations();
  toleration.set_key("gpu");
  toleration.set_value("true");
  toleration.set_effect(v1::TAINT_EFFECT_PREFER_NO_SCHEDULE);

  const AdmittedJob admitted = Admitted();
  const auto decoded = DecodeJobSpec(*admitted.blob);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const state::JobSpec& a = *admitted.spec;
  EXPECT_EQ(decoded->name, a.name);
  EXPECT_EQ(decoded->ns, a.ns);
  EXPECT_EQ(decoded->queue, a.queue);
  EXPECT_EQ(decoded->profile, a.profile);
  EXPECT_EQ(decoded->priority, -7);
  EXPECT_EQ(decoded->labels, a.labels);
  ASSERT_EQ(decoded->groups.size(), 1u);
  const state::GroupSpec& group = decoded->groups[0];
  EXPECT_EQ(*group.needs, *a.groups[0].needs);
  EXPECT_EQ(group.ranges, a.groups[0].ranges);
  EXPECT_EQ(group.count(), 15);
  EXPECT_EQ(group.retries, 3);
  EXPECT_EQ(group.time_limit_ms, 60'000);
  EXPECT_EQ(group.grace_ms, 0);
  EXPECT_EQ(group.max_processes, 64);
  EXPECT_TRUE(group.kill_on_partition);
  EXPECT_TRUE(group.in_array);
  EXPECT_EQ(group.needs->devices[0].share_milli, 250);
  EXPECT_EQ(group.needs->required_nodes[0][0].bound, -5);
  EXPECT_EQ(group.needs->tolerations[0].effect, TaintEffect::kPreferNoSchedule);
}

// A client that is newer asks for something with it, and nobody would do it.
TEST_F(AdmissionTest, AFieldThatTheSchemaDoesNotHaveIsRefusedByNumber) {
  const auto add_unknown = [](google::protobuf::Message& message, int number) {
    message.GetReflection()->MutableUnknownFields(&message)->AddVarint(number, 1);
  };
  add_unknown(task(), 123);
  add_unknown(task(), 123);  // a list of two
  EXPECT_EQ(Refused().message,
            "groups[0].template: field 123 is not known to this berthd; it may be of a newer "
            "client");
  EXPECT_EQ(Refused().code, absl::StatusCode::kUnimplemented);
  EXPECT_EQ(Refused().reason, Reason::kFieldNotHonoured);
  add_unknown(job_, 9999);
  task().add_devices()->set_kind("gpu");
  task().mutable_devices(0)->set_count(1);
  add_unknown(*task().mutable_devices(0), 77);
  EXPECT_THAT(Faults(), ElementsAre("", "groups[0].template", "groups[0].template.devices[0]"));
}

TEST(DecodeJobSpecTest, RefusesWhatIsNoSpecification) {
  EXPECT_FALSE(DecodeJobSpec("\xff\xff").ok());
  EXPECT_FALSE(DecodeJobSpec("").ok());
}

// ---- what is refused ----

TEST_F(AdmissionTest, AJobNeedsAGroupATemplateAndACommand) {
  job_.clear_groups();
  EXPECT_THAT(Faults(), ElementsAre("groups"));
  job_.add_groups();
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template"));
  task();
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.command"));
  payload().add_command("");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.command[0]"));
}

TEST_F(AdmissionTest, AnImageMayNeedNoCommand) {
  payload().clear_command();
  payload().set_image("/images/debian");
  Admitted();
  payload().set_image(std::string(5000, 'x'));
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.image"));
}

TEST_F(AdmissionTest, MountsAreAbsolutePathsApartFromOneAnother) {
  const std::string path = "groups[0].template.payload.mounts";
  const auto add = [&](const char* source, const char* target) {
    v1::Mount& mount = *payload().add_mounts();
    mount.set_source(source);
    mount.set_target(target);
  };
  add("/data", "");
  EXPECT_THAT(Faults(), ElementsAre(path)) << "without an image";
  payload().set_image("/images/debian");
  add("/data", "/other");
  add("/", "/host");
  Admitted();
  payload().clear_mounts();
  add("data", "");
  add("/a", "b");
  add("/a/../b", "");
  add("/a/", "");
  add("/a", "/proc/1");
  add("/a", "/dev");
  add("/a", "/");
  add("/a", "/devices");
  add("/b", "/devices");
  EXPECT_THAT(Faults(), ElementsAre(path + "[0].source", path + "[1].target", path + "[2].source",
                                    path + "[3].source", path + "[4].target", path + "[5].target",
                                    path + "[6].target", path + "[8].target"));
  payload().clear_mounts();
  for (int i = 0; i < 65; ++i) add("/a", ("/m" + std::to_string(i)).c_str());
  EXPECT_THAT(Faults(), ElementsAre(path));
}

TEST_F(AdmissionTest, AScriptNeedsNoCommandButAFirstLine) {
  payload().clear_command();
  payload().set_script("#!/bin/sh\n");
  Admitted();
  payload().set_script("echo");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.script"));
}

TEST_F(AdmissionTest, EverythingWrongIsSaidAtOnce) {
  job_.set_name("bad name");
  job_.set_priority(1001);
  task().mutable_resources()->set_memory_bytes(-1);
  task().set_grace_ms(-1);
  const wire::Refusal refusal = Refused();
  EXPECT_EQ(refusal.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal.reason, Reason::kInvalidField);
  EXPECT_THAT(Faults(), ::testing::UnorderedElementsAre("name", "priority",
                                                        "groups[0].template.resources.memory_bytes",
                                                        "groups[0].template.grace_ms"));
  EXPECT_THAT(refusal.message, HasSubstr("and 3 more"));
}

TEST_F(AdmissionTest, AmountsThatAreNegativeOrOverflowAreRefused) {
  for (const int64_t amount : {int64_t{-1}, kMinInt64, kMaxInt64}) {
    job_.mutable_groups(0)->mutable_template_()->clear_resources();
    v1::Resources& resources = *task().mutable_resources();
    resources.set_cpu_milli(amount);
    resources.set_memory_bytes(amount);
    resources.set_storage_bytes(amount);
    resources.set_bandwidth_bits_per_s(amount);
    (*resources.mutable_extended())["ports"] = amount;
    EXPECT_EQ(Faults().size(), 5u) << amount;
  }
  task().mutable_resources()->Clear();
  task().mutable_resources()->set_memory_bytes(0);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.resources.memory_bytes"));
}

TEST_F(AdmissionTest, ArraysAscendWithoutOverlap) {
  range(0, 9);
  range(9, 12);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].array.ranges[1].first"));
  group().mutable_array()->clear_ranges();
  range(10, 12);
  range(0, 3);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].array.ranges[1].first"));
}

TEST_F(AdmissionTest, ArraysHaveBounds) {
  group().mutable_array();
  EXPECT_THAT(Faults(), ElementsAre("groups[0].array.ranges"));
  const std::tuple<int64_t, int64_t, int64_t, const char*> cases[] = {
      {-1, 3, 1, "first"},
      {0, -1, 1, "last"},
      {5, 4, 1, "last"},
      {0, 3, -1, "step"},
      {0, 2'147'483'647, 1, "last"},
      {0, kMaxInt64, 1, "last"},
      {kMinInt64, 0, 1, "first"},
      {0, 1, kMaxInt64, "step"},
  };
  for (const auto& [first, last, step, field] : cases) {
    group().mutable_array()->clear_ranges();
    range(first, last, step);
    EXPECT_THAT(Faults(), ElementsAre(std::string("groups[0].array.ranges[0].") + field));
  }
  group().mutable_array()->clear_ranges();
  for (int i = 0; i < 65; ++i) range(2 * i, 2 * i);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].array.ranges"));
}

TEST_F(AdmissionTest, AMillionTasksAreAJobAndOneMoreAreNot) {
  range(0, 999'999);
  EXPECT_EQ(Admitted().spec->task_count(), 1'000'000);
  range(2'147'483'646, 2'147'483'646);
  const wire::Refusal refusal = Refused();
  EXPECT_EQ(refusal.reason, Reason::kJobTooLarge);
  EXPECT_THAT(refusal.message, HasSubstr("1000001 tasks"));
}

TEST_F(AdmissionTest, TheCountOfTasksDoesNotOverflow) {
  job_.clear_groups();
  for (int i = 0; i < 64; ++i) {
    v1::TaskGroup& group = *job_.add_groups();
    group.set_name("g" + std::to_string(i));
    group.mutable_array()->add_ranges()->set_last(2'147'483'646);
    group.mutable_template_()->mutable_payload()->add_command("true");
  }
  EXPECT_EQ(Refused().reason, Reason::kJobTooLarge);
}

TEST_F(AdmissionTest, GroupsAreNamedOnceAndNotTooMany) {
  *job_.add_groups() = group();
  EXPECT_THAT(Faults(), ElementsAre("groups[0].name", "groups[1].name"));
  job_.mutable_groups(0)->set_name("a");
  job_.mutable_groups(1)->set_name("a");
  EXPECT_THAT(Faults(), ElementsAre("groups[1].name"));
  job_.mutable_groups(1)->set_name("B");
  EXPECT_THAT(Faults(), ElementsAre("groups[1].name"));
  for (int i = 0; i < 1000; ++i) job_.add_groups();
  EXPECT_THAT(Faults(), ElementsAre("groups"));
}

TEST_F(AdmissionTest, RulesBetweenTasksAreFilledInAndRead) {
  v1::Term& own = *task().add_terms();
  own.set_kind(v1::TERM_KIND_SPREAD);
  own.set_topology_key("zone");
  v1::Term& about = *task().add_terms();
  about.set_kind(v1::TERM_KIND_ANTI_AFFINITY);
  about.set_topology_key("host");
  about.set_preferred(true);
  v1::LabelRequirement& requirement = *about.mutable_selector()->add_requirements();
  requirement.set_key("app");
  requirement.set_op(v1::SELECTOR_OPERATOR_NOT_IN);
  requirement.add_values("db");
  job_.set_namespace_("red");
  const auto terms = Admitted().spec->groups[0].needs->terms;
  ASSERT_EQ(terms.size(), 2u);
  EXPECT_EQ(terms[0], (state::TermSpec{.kind = TermKind::kSpread,
                                       .topology_key = "zone",
                                       .selector = {},
                                       .namespaces = {},
                                       .data = "",
                                       .weight = 0,
                                       .max_skew = 1}));
  EXPECT_EQ(terms[1], (state::TermSpec{
                          .kind = TermKind::kAntiAffinity,
                          .topology_key = "host",
                          .selector = {{.op = SelectorOp::kNotIn, .key = "app", .values = {"db"}}},
                          .namespaces = {"red"},
                          .data = "",
                          .weight = 1,
                          .max_skew = 1}));
}

TEST_F(AdmissionTest, NearnessIsPreferredAndToTasksOrToData) {
  v1::Term& tasks = *task().add_terms();
  tasks.set_kind(v1::TERM_KIND_NEAR);
  tasks.set_topology_key("rack");
  v1::Term& data = *task().add_terms();
  data = tasks;
  data.set_weight(30);
  data.set_data("org/model-7b");
  const auto terms = Admitted().spec->groups[0].needs->terms;
  ASSERT_EQ(terms.size(), 2u);
  EXPECT_EQ(terms[0], (state::TermSpec{.kind = TermKind::kNearTasks,
                                       .topology_key = "rack",
                                       .selector = {},
                                       .namespaces = {},
                                       .data = "",
                                       .weight = 1}));
  EXPECT_EQ(terms[1], (state::TermSpec{.kind = TermKind::kNearData,
                                       .topology_key = "rack",
                                       .selector = {},
                                       .namespaces = {},
                                       .data = "org/model-7b",
                                       .weight = 30}));
}

TEST_F(AdmissionTest, RulesBetweenTasksAreChecked) {
  const std::string path = "groups[0].template.terms[0].";
  const auto faults = [&](const std::function<void(v1::Term&)>& spoil) {
    v1::Term term;
    term.set_kind(v1::TERM_KIND_SPREAD);
    term.set_topology_key("zone");
    spoil(term);
    task().clear_terms();
    *task().add_terms() = term;
    return Faults();
  };
  const auto select = [](v1::Term& term, v1::SelectorOperator op, const char* value) {
    v1::LabelRequirement& requirement = *term.mutable_selector()->add_requirements();
    requirement.set_key("app");
    requirement.set_op(op);
    if (*value != 0) requirement.add_values(value);
  };
  EXPECT_THAT(faults([](v1::Term& term) { term.clear_kind(); }), ElementsAre(path + "kind"));
  EXPECT_THAT(faults([](v1::Term& term) { term.clear_topology_key(); }),
              ElementsAre(path + "topology_key"));
  EXPECT_THAT(faults([](v1::Term& term) { term.set_max_skew(-1); }),
              ElementsAre(path + "max_skew"));
  EXPECT_THAT(faults([](v1::Term& term) { term.set_weight(5); }), ElementsAre(path + "weight"));
  EXPECT_THAT(faults([](v1::Term& term) {
                term.set_preferred(true);
                term.set_weight(101);
              }),
              ElementsAre(path + "weight"));
  EXPECT_THAT(faults([](v1::Term& term) { term.set_data("imagenet"); }), ElementsAre(path + "data"))
      << "of a rule between tasks";
  EXPECT_THAT(faults([](v1::Term& term) {
                term.set_kind(v1::TERM_KIND_NEAR);
                term.set_data(std::string(254, 'x'));
              }),
              ElementsAre(path + "data"));
  EXPECT_THAT(faults([&](v1::Term& term) {
                term.set_kind(v1::TERM_KIND_NEAR);
                term.set_data("imagenet");
                select(term, v1::SELECTOR_OPERATOR_IN, "a");
              }),
              ElementsAre(path + "data"));
  EXPECT_THAT(faults([](v1::Term& term) { term.add_namespaces("red"); }),
              ElementsAre(path + "namespaces"))
      << "without a selector";
  EXPECT_THAT(faults([&](v1::Term& term) {
                select(term, v1::SELECTOR_OPERATOR_IN, "a");
                term.add_namespaces("not a name");
              }),
              ElementsAre(path + "namespaces[0]"));
  EXPECT_THAT(faults([&](v1::Term& term) { select(term, v1::SELECTOR_OPERATOR_GT, "3"); }),
              ElementsAre(path + "selector.requirements[0].op"));
  EXPECT_THAT(faults([&](v1::Term& term) { select(term, v1::SELECTOR_OPERATOR_IN, ""); }),
              ElementsAre(path + "selector.requirements[0].values"));
  for (int i = 0; i < 17; ++i) *task().add_terms() = task().terms(0);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.terms"));
}

TEST_F(AdmissionTest, DeviceRequestsAreChecked) {
  v1::DeviceRequest& device = *task().add_devices();
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.devices[0].kind",
                                    "groups[0].template.devices[0].count"));
  device.set_kind("GPU");
  device.set_count(1025);
  EXPECT_EQ(Faults().size(), 2u);
  device.set_kind("gpu");
  device.set_count(2);
  device.set_share_milli(500);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.devices[0].share_milli"));
  device.set_count(1);
  device.set_share_milli(0);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.devices[0].share_milli"));
  device.set_share_milli(1000);
  device.set_memory_bytes(kMaxInt64);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.devices[0].memory_bytes"));
  device.clear_memory_bytes();
  *task().add_devices() = device;
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.devices[1].kind"));
  device.add_models("");
  EXPECT_THAT(Faults(), Contains("groups[0].template.devices[0].models[0]"));
}

TEST_F(AdmissionTest, BoxesOfDevicesAreChecked) {
  v1::DeviceRequest& device = *task().add_devices();
  device.set_kind("tpu");
  device.set_count(4);
  device.add_box(2);
  device.add_box(2);
  EXPECT_EQ(Admitted().spec->groups[0].needs->devices[0].box, (std::vector<int32_t>{2, 2}));
  const std::string path = "groups[0].template.devices[0].box";
  device.set_count(3);
  EXPECT_THAT(Faults(), ElementsAre(path));
  device.set_count(4);
  device.set_box(1, 0);
  EXPECT_THAT(Faults(), ElementsAre(path + "[1]"));
  device.set_box(1, -2);
  EXPECT_THAT(Faults(), ElementsAre(path + "[1]"));
  device.set_box(1, 256);
  EXPECT_THAT(Faults(), ElementsAre(path + "[1]"));
  device.set_box(1, 2);
  device.add_box(1);
  device.add_box(1);
  EXPECT_THAT(Faults(), ElementsAre(path));
  device.clear_box();
  device.add_box(1);
  device.set_count(1);
  device.set_share_milli(500);
  EXPECT_THAT(Faults(), ElementsAre(path));
}

TEST_F(AdmissionTest, SelectorsAreChecked) {
  v1::LabelSelector& selector = *task().mutable_node_affinity()->add_required();
  const std::string path = "groups[0].template.node_affinity.required[0].requirements";
  EXPECT_THAT(Faults(), ElementsAre(path));
  v1::LabelRequirement& requirement = *selector.add_requirements();
  EXPECT_THAT(Faults(), ElementsAre(path + "[0].key", path + "[0].op"));
  requirement.set_key("zone");
  for (const auto op : {v1::SELECTOR_OPERATOR_IN, v1::SELECTOR_OPERATOR_NOT_IN,
                        v1::SELECTOR_OPERATOR_GT, v1::SELECTOR_OPERATOR_LT}) {
    requirement.set_op(op);
    EXPECT_THAT(Faults(), ElementsAre(path + "[0].values")) << op;
  }
  requirement.add_values("12 apples");
  requirement.set_op(v1::SELECTOR_OPERATOR_GT);
  EXPECT_THAT(Faults(), ElementsAre(path + "[0].values"));
  requirement.set_op(v1::SELECTOR_OPERATOR_EXISTS);
  EXPECT_THAT(Faults(), ElementsAre(path + "[0].values"));
  requirement.set_op(static_cast<v1::SelectorOperator>(99));
  EXPECT_THAT(Faults(), ElementsAre(path + "[0].op"));
  requirement.set_op(v1::SELECTOR_OPERATOR_IN);
  Admitted();
  task().mutable_node_affinity()->add_preferred()->mutable_selector()->CopyFrom(selector);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.node_affinity.preferred[0].weight"));
}

TEST_F(AdmissionTest, TolerationsAreChecked) {
  v1::Toleration& toleration = *task().add_tolerations();
  Admitted();  // tolerates everything
  toleration.set_value("v");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.tolerations[0].value"));
  toleration.set_key("no spaces");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.tolerations[0].key"));
  toleration.set_key("k");
  toleration.set_effect(static_cast<v1::TaintEffect>(7));
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.tolerations[0].effect"));
}

TEST_F(AdmissionTest, ThePayloadIsWhatExecTakes) {
  payload().add_command(std::string("a\0b", 3));
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.command[1]"));
  payload().set_command(1, std::string(131'072, 'x'));
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.command[1]"));
  payload().set_command(1, std::string(131'071, 'x'));
  Admitted();
}

TEST_F(AdmissionTest, TheEnvironmentIsChecked) {
  auto& environment = *payload().mutable_environment();
  environment["GOOD"] = "value with\nnewline";
  Admitted();
  environment["BERTH_TASK_ID"] = "1";
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.environment[\"BERTH_TASK_ID\"]"));
  environment.erase("BERTH_TASK_ID");
  environment["A=B"] = "1";
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.environment[\"A=B\"]"));
  environment.erase("A=B");
  environment["ZERO"] = std::string("a\0b", 3);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.environment[\"ZERO\"]"));
  environment.clear();
  for (int i = 0; i < 1025; ++i) environment["V" + std::to_string(i)] = "";
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.environment"));
}

TEST_F(AdmissionTest, TheWorkingDirectoryIsAbsolute) {
  payload().set_working_directory("relative/dir");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.working_directory"));
  payload().set_working_directory("/" + std::string(5000, 'd'));
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.working_directory"));
  payload().set_working_directory("/srv/data");
  Admitted();
}

TEST_F(AdmissionTest, ATaskHasOneStandardInput) {
  payload().set_console(v1::CONSOLE_TERMINAL);
  payload().set_console_rows(24);
  Admitted();
  payload().set_stdin_data("x");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.console"));
  payload().clear_stdin_data();
  payload().set_console_columns(70'000);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.console_columns"));
  payload().clear_console_columns();
  payload().set_console(static_cast<v1::Console>(77));
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.console"));
}

TEST_F(AdmissionTest, FilesHaveNamesOfTheirOwnAndGoIntoTheScratchDirectory) {
  payload().add_files()->set_name("a");
  Admitted();
  payload().add_files()->set_name("a");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.files[1].name"));
  for (const char* name : {"", ".", "..", "a/b"}) {
    payload().mutable_files(1)->set_name(name);
    EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.files[1].name")) << name;
  }
  payload().mutable_files(1)->set_name("b");
  Admitted();
  payload().set_working_directory("/srv");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.files"));
}

TEST_F(AdmissionTest, APayloadOrAJobThatIsTooLargeIsRefusedAsThat) {
  payload().set_script("#!" + std::string(2 << 20, 'x'));
  EXPECT_EQ(Refused().reason, Reason::kJobTooLarge);
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload"));
  payload().set_script("#!" + std::string(100'000, 'x'));
  options_.most_job_bytes = 50'000;
  EXPECT_EQ(Refused().reason, Reason::kJobTooLarge);
  EXPECT_THAT(Refused().message, HasSubstr("(limits.job in berthd.yaml)"));
}

TEST_F(AdmissionTest, TextsAreBoundedUtf8) {
  job_.set_description(std::string(16 << 10, 'd'));
  Admitted();
  job_.set_description(std::string((16 << 10) + 1, 'd'));
  EXPECT_THAT(Faults(), ElementsAre("description"));
  job_.set_description("\xc3\x28");
  EXPECT_THAT(Faults(), ElementsAre("description"));
  job_.clear_description();
  (*job_.mutable_annotations())["tool/key"] = std::string(5000, 'a');
  EXPECT_THAT(Faults(), ElementsAre("annotations[\"tool/key\"]"));
  job_.clear_annotations();
  (*job_.mutable_labels())["bad key"] = "v";
  EXPECT_THAT(Faults(), ElementsAre("labels[\"bad key\"]"));
  job_.clear_labels();
  payload().add_command("\xff");
  EXPECT_THAT(Faults(), ElementsAre("groups[0].template.payload.command[1]"));
}

TEST_F(AdmissionTest, NamesOfPlacesAreChecked) {
  job_.set_namespace_("a b");
  job_.set_queue("q/1");
  job_.set_profile("\n");
  EXPECT_THAT(Faults(), ElementsAre("namespace", "queue", "profile"));
}

TEST_F(AdmissionTest, NumbersHaveBounds) {
  group().set_retries(101);
  task().set_time_limit_ms(kMaxInt64);
  task().set_grace_ms(3'600'001);
  task().set_max_processes(-1);
  group().set_on_partition(static_cast<v1::OnPartition>(9));
  EXPECT_THAT(Faults(), ::testing::UnorderedElementsAre(
                            "groups[0].retries", "groups[0].template.time_limit_ms",
                            "groups[0].template.grace_ms", "groups[0].template.max_processes",
                            "groups[0].on_partition"));
}

// ---- features ----

class FakeReader final : public FeatureReader {
 public:
  Reading ReadJob(const v1::JobSpec& job, const std::string& user) override {
    ++reads;
    seen_name = job.name();
    seen_user = user;
    Reading reading;
    reading.groups.resize(static_cast<size_t>(job.groups_size()));
    for (Group& group : reading.groups) {
      group.features.hints.bound_by = ComputationClass::kIoBound;
      group.cpu_milli = 1300;
      group.memory_bytes = 3 * 1024 * kMiB;
      group.cpu_from = group.memory_from = "history";
    }
    reading.warnings = {"it is slow"};
    return reading;
  }
  int reads = 0;
  std::string seen_name, seen_user;
};

TEST_F(AdmissionTest, WhatFeaturesKnowFillsWhatWasLeftOpen) {
  FakeReader reader;
  options_.features = &reader;
  task().mutable_resources()->set_cpu_milli(500);
  const AdmittedJob admitted = Admitted();
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kCpu], 500) << "it was given";
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kMemory], 3 * 1024);
  EXPECT_THAT(admitted.defaults_applied, Contains("memory=3Gi (by history)"));
  ASSERT_EQ(admitted.features.size(), 1u);
  EXPECT_EQ(admitted.features[0].hints.bound_by, ComputationClass::kIoBound);
  EXPECT_THAT(admitted.warnings, ElementsAre("it is slow"));
  EXPECT_EQ(reader.seen_name, "square.sh");
}

TEST_F(AdmissionTest, NothingIsFilledOnWhichOtherFieldsHang) {
  FakeReader reader;
  options_.features = &reader;
  task().set_cpu_placement(v1::CPU_PLACEMENT_DEDICATED);
  group().mutable_on_oom()->set_limit_bytes(2048 * kMiB);
  const AdmittedJob admitted = Admitted();
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kCpu], 1000);
  EXPECT_EQ(admitted.spec->groups[0].needs->requests.builtin[kMemory], 1024);
}

TEST_F(AdmissionTest, AJobWithFaultsIsNotRead) {
  FakeReader reader;
  options_.features = &reader;
  job_.set_namespace_("no such/name");
  EXPECT_THAT(Faults(), ElementsAre("namespace"));
  payload().set_script(std::string(2 << 20, 'x'));
  job_.clear_namespace_();
  Refused();
  EXPECT_EQ(reader.reads, 0);
}

TEST_F(AdmissionTest, DeclaredFeaturesAreChecked) {
  v1::Features& said = *job_.mutable_features();
  said.set_computation_class("gpu");
  said.set_duration_ms(1000);
  said.add_inputs()->set_name("imagenet");
  said.add_models("llama");
  Admitted();
  said.set_computation_class("quantum");
  said.set_duration_ms(0);
  said.mutable_inputs(0)->clear_name();
  said.add_models(std::string(600, 'x'));
  EXPECT_THAT(Faults(), ElementsAre("features.computation_class", "features.duration_ms",
                                    "features.inputs[0].name", "features.models[1]"));
  job_.clear_features();
  for (int i = 0; i < 65; ++i) job_.mutable_features()->add_outputs()->set_name("o");
  EXPECT_THAT(Faults(), ElementsAre("features.outputs"));
}

}  // namespace
}  // namespace berth::api
