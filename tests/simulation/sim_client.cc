#include "tests/simulation/sim_client.h"

#include <utility>
#include <variant>

#include "api/convert.h"
#include "tests/simulation/workload.h"

namespace berth::simulation {

namespace {

constexpr int32_t kPageSize = 4;
constexpr int64_t kTryAgainUs = 4'000'000;
constexpr int64_t kWatchGivesUpUs = 30'000'000;

std::string Text(const v1::Job& job) {
  return "state " + std::to_string(job.state()) + " exit " + std::to_string(job.exit_code()) +
         " tasks " + job.tasks().ShortDebugString();
}

std::string Text(const v1::Task& task) {
  return "state " + std::to_string(task.state()) + " attempt " +
         std::to_string(task.attempt().number()) + " end " + std::to_string(task.attempt().end());
}

}  // namespace

// ---- the way ----

void ClientWay::Call(state::CommandClass command_class, std::function<state::CommandBody()> make,
                     OnReply on_reply) {
  int times = 1;
  if (context_.Chance(lost_of_thousand)) {
    context_.Fault("a call is lost");
    times = 0;
  } else if (context_.Chance(repeated_of_thousand)) {
    context_.Fault("a call comes twice");
    times = 2;
  }
  for (; times > 0; --times) {
    context_.events.After(context_.Between(50, slowest_us), [this, command_class, make, on_reply] {
      Arrive(command_class, make, on_reply);
    });
  }
}

void ClientWay::Arrive(state::CommandClass command_class,
                       const std::function<state::CommandBody()>& make, const OnReply& on_reply) {
  const auto status = daemon_.Post(command_class, make(), [this, on_reply](scheduler::Reply reply) {
    Answer(on_reply, absl::OkStatus(), std::move(reply));
  });
  if (!status.ok()) Answer(on_reply, status, {});
}

void ClientWay::Answer(const OnReply& on_reply, absl::Status posted, scheduler::Reply reply) {
  if (context_.Chance(lost_of_thousand)) {
    context_.Fault("an answer is lost");
    return;
  }
  context_.events.After(context_.Between(50, slowest_us),
                        [this, on_reply, posted = std::move(posted), reply = std::move(reply),
                         line = daemon_.restores()] {
                          // What was promised before a restore is no promise any more.
                          if (line == daemon_.restores()) on_reply(posted, reply);
                        });
}

// ---- those who submit ----

void Submitter::Submit() {
  auto request = std::make_shared<Request>();
  request->id = name_ + "-" + std::to_string(++requests_);
  request->job_template = context_.rng.Uniform(Templates().size());
  ++open_;
  Try(request);
}

void Submitter::Try(const std::shared_ptr<Request>& request) {
  if (request->acknowledged) return;
  const Template& chosen = Templates()[request->job_template];
  way_.Call(
      state::CommandClass::kSubmissions,
      [id = request->id, &chosen] {
        state::SubmitJob submit;
        submit.spec = chosen.job.spec;
        submit.blob = chosen.job.blob;
        submit.request_id = id;
        submit.body_hash = chosen.name;
        return submit;
      },
      [this, request](const absl::Status& posted, const scheduler::Reply& reply) {
        if (!posted.ok()) return;  // tried again in any case
        if (!reply.status.ok()) {
          context_.Violated("request " + request->id + ": " + reply.status.ToString());
          return;
        }
        const auto& answer = std::get<scheduler::SubmitReply>(reply.body);
        if (context_.traces()) {
          context_.Trace("job " + std::to_string(answer.job.value) + " acknowledged to " +
                         request->id);
        }
        ledger_.Acknowledged(request->id, answer.job, answer.tasks);
        if (std::exchange(request->acknowledged, true)) return;
        jobs_.push_back(answer.job);
        --open_;
        if (!Templates()[request->job_template].is_service) return;
        services_.push_back(answer.job);
        if (services_end_) CancelOf(answer.job);
      });
  context_.events.After(kTryAgainUs, [this, request] { Try(request); });
}

void Submitter::CancelOne() {
  if (!jobs_.empty()) CancelOf(jobs_[context_.rng.Uniform(jobs_.size())]);
}

void Submitter::EndServices() {
  services_end_ = true;
  for (const JobId job : services_) CancelOf(job);
}

void Submitter::CancelOf(JobId job) {
  ++open_;
  TryCancel(job, std::make_shared<bool>(false));
}

void Submitter::TryCancel(JobId job, const std::shared_ptr<bool>& told) {
  if (*told) return;
  way_.Call(
      state::CommandClass::kOperators,
      [job] {
        state::Cancel cancel;
        cancel.objects.push_back({.job = job});
        return cancel;
      },
      [this, job, told](const absl::Status& posted, const scheduler::Reply& reply) {
        if (!posted.ok() || *told) return;
        *told = true;
        --open_;
        const auto& result = std::get<scheduler::CancelReply>(reply.body).results.at(0);
        if (context_.traces()) {
          context_.Trace("cancel of job " + std::to_string(job.value) +
                         " acknowledged: " + std::to_string(result.tasks) + " tasks");
        }
        if (result.reason != Reason::kNotFound) ledger_.CancelAcknowledged(job);
      });
  context_.events.After(kTryAgainUs, [this, job, told] { TryCancel(job, told); });
}

// ---- those who operate it ----

namespace {

// As people name it: "12.3#2", and "12.workers.3#2" where a job has several groups.
state::ObjectRef RefOf(const state::StrayView& stray) {
  const std::string& task = stray.holding.task_id;
  const size_t first = task.find('.');
  const size_t last = task.rfind('.');
  return {.job = stray.attempt.job,
          .has_task = true,
          .group = first == last ? "" : task.substr(first + 1, last - first - 1),
          .index = stray.attempt.index,
          .attempt = stray.attempt.attempt};
}

}  // namespace

void Operator::LookAtQuarantine() {
  way_.Call(
      state::CommandClass::kOperators,
      [] { return state::SettleStrays{.action = state::StrayAction::kList}; },
      [this](const absl::Status& posted, const scheduler::Reply& reply) {
        if (!posted.ok()) return;
        for (const auto& result : std::get<scheduler::SettleReply>(reply.body).results) {
          if (context_.Chance(300)) continue;
          Settle(context_.Chance(600) ? state::StrayAction::kAdopt : state::StrayAction::kKill,
                 *result.stray);
        }
      });
}

void Operator::Settle(state::StrayAction action, const state::StrayView& stray) {
  if (action == state::StrayAction::kKill) ledger_.KillAsked(stray.attempt);
  if (context_.traces()) {
    context_.Trace(Text(stray.attempt) + " is to be " +
                   (action == state::StrayAction::kKill ? "killed" : "adopted"));
  }
  way_.Call(
      state::CommandClass::kOperators,
      [action, object = RefOf(stray)] {
        state::SettleStrays settle;
        settle.action = action;
        settle.objects.push_back(object);
        return settle;
      },
      [this, action](const absl::Status& posted, const scheduler::Reply& reply) {
        if (!posted.ok()) return;
        for (const auto& result : std::get<scheduler::SettleReply>(reply.body).results) {
          if (!result.stray) continue;
          const bool done = result.reason == Reason::kNone;
          context_.coverage.Count("seen", action == state::StrayAction::kKill
                                              ? "an attempt in quarantine is killed"
                                          : done ? "an attempt in quarantine is adopted"
                                                 : "an attempt in quarantine cannot be adopted");
        }
      });
}

// ---- those who watch ----

class Watcher::Sink final : public scheduler::WatchSink {
 public:
  Sink(std::weak_ptr<Watcher> watcher, uint64_t round)
      : watcher_(std::move(watcher)), round_(round) {}
  void OnChanges(const std::shared_ptr<const state::ChangeBatch>& batch) override {
    const auto watcher = watcher_.lock();
    if (watcher == nullptr || watcher->round_ != round_ || !watcher->queue_) return;
    watcher->queue_->AddBatch(batch);
    // A reader that is slow now and then.
    if (watcher->context_.Chance(300)) return;
    watcher->Apply();
  }

 private:
  const std::weak_ptr<Watcher> watcher_;
  const uint64_t round_;
};

void Watcher::Begin() {
  has_list_ = false;
  Restart();
}

void Watcher::Restart() {
  ++round_;
  progress_us_ = context_.events.now_us();
  sink_.reset();
  queue_.reset();
  if (has_list_) {
    Watch();
  } else {
    picture_.clear();
    ListJobs({}, 0);
  }
}

bool Watcher::is_following() const {
  return sink_ != nullptr && daemon_.is_up() && daemon_.starts() == daemon_starts_;
}

void Watcher::Tick() {
  if (is_following()) {
    Apply();
    progress_us_ = context_.events.now_us();
  } else if (sink_ != nullptr || context_.events.now_us() - progress_us_ > kWatchGivesUpUs) {
    context_.coverage.Count("seen", "a watch is taken up again");
    Restart();
  }
}

void Watcher::ListJobs(JobId after, uint64_t first_epoch) {
  way_.Call(
      state::CommandClass::kOperators,
      [after, first_epoch] {
        state::ListJobs list;
        list.page_size = kPageSize;
        list.after = after;
        list.first_epoch = first_epoch;
        return list;
      },
      [self = shared_from_this(), round = round_, answered = std::make_shared<bool>(false)](
          const absl::Status& posted, const scheduler::Reply& reply) {
        if (round != self->round_ || !posted.ok() || std::exchange(*answered, true)) return;
        if (!reply.status.ok()) {
          // A page of the time before a restore.
          self->context_.coverage.Count("seen", "a list begins again after a restore");
          return self->Restart();
        }
        const auto& page = std::get<scheduler::JobsReply>(reply.body);
        for (const state::JobView& job : page.jobs) {
          const v1::Job shown = api::ToProto(job, api::SpecPart::kLeftOut);
          self->picture_[shown.id()] = Text(shown);
        }
        if (page.more) return self->ListJobs(page.after, page.first_epoch);
        self->ListTasks(std::nullopt, page.first_epoch);
      });
}

void Watcher::ListTasks(std::optional<TaskKey> after, uint64_t first_epoch) {
  way_.Call(
      state::CommandClass::kOperators,
      [after, first_epoch] {
        state::ListTasks list;
        list.page_size = kPageSize;
        list.after = after;
        list.first_epoch = first_epoch;
        return list;
      },
      [self = shared_from_this(), round = round_, first_epoch,
       answered = std::make_shared<bool>(false)](const absl::Status& posted,
                                                 const scheduler::Reply& reply) {
        if (round != self->round_ || !posted.ok() || std::exchange(*answered, true)) return;
        if (!reply.status.ok()) {
          // A page of the time before a restore.
          self->context_.coverage.Count("seen", "a list begins again after a restore");
          return self->Restart();
        }
        const auto& page = std::get<scheduler::TasksReply>(reply.body);
        for (const state::TaskStatusView& task : page.tasks) {
          const v1::Task shown = api::ToProto(task);
          self->picture_[shown.id()] = Text(shown);
        }
        if (page.more) return self->ListTasks(page.after, page.first_epoch);
        self->has_list_ = true;
        self->epoch_ = first_epoch;
        self->Watch();
      });
}

void Watcher::Watch() {
  // The subscription is made where the answer is, with no way in between.
  if (context_.traces()) context_.Trace("watch: from epoch " + std::to_string(epoch_));
  state::CatchUp command;
  command.from_epoch = epoch_;
  command.jobs = true;
  command.tasks = true;
  const auto posted = daemon_.Post(
      state::CommandClass::kOperators, command,
      [self = shared_from_this(), round = round_](const scheduler::Reply& reply) {
        if (round != self->round_) return;
        if (absl::IsOutOfRange(reply.status)) {
          self->context_.coverage.Count("seen", "a watch comes too late and lists again");
          self->has_list_ = false;
          self->context_.events.After(1000, [self, round] {
            if (round == self->round_) self->Restart();
          });
          return;
        }
        self->sink_ = std::make_shared<Sink>(self, round);
        self->daemon_starts_ = self->daemon_.starts();
        self->daemon_.watches().Subscribe(self->sink_);
        api::WatchFilter filter;
        filter.principal.all_namespaces = true;
        filter.principal.is_operator = true;
        filter.jobs = true;
        filter.tasks = true;
        self->queue_.emplace(std::move(filter), self->epoch_);
        if (self->context_.traces()) {
          self->context_.Trace(
              "watch: caught up to epoch " + std::to_string(reply.epoch) + ", " +
              std::to_string(std::get<scheduler::CatchUpReply>(reply.body).changes.size()) +
              " changes");
        }
        self->queue_->AddCatchUp(std::get<scheduler::CatchUpReply>(reply.body).changes,
                                 reply.epoch);
        self->Apply();
      });
  if (!posted.ok()) progress_us_ = context_.events.now_us() - kWatchGivesUpUs / 2;
}

void Watcher::Apply() {
  if (!queue_) return;
  progress_us_ = context_.events.now_us();
  while (!queue_->empty() || queue_->epoch() > queue_->taken_epoch()) {
    v1::WatchResponse response;
    queue_->Take(600, response);
    for (const v1::WatchEvent& event : response.events()) {
      if (context_.traces()) {
        context_.Trace("watch, up to " + std::to_string(response.epoch()) + ": " +
                       (event.has_job()    ? event.job().id() + " " + Text(event.job())
                        : event.has_task() ? event.task().id() + " " + Text(event.task())
                                           : event.deleted().id() + " is gone"));
      }
      if (event.has_job()) {
        picture_[event.job().id()] = Text(event.job());
      } else if (event.has_task()) {
        picture_[event.task().id()] = Text(event.task());
      } else if (event.has_deleted()) {
        const std::string& id = event.deleted().id();
        context_.coverage.Count("seen", "a watch is told of a removal");
        std::erase_if(picture_, [&](const auto& each) {
          return each.first == id || each.first.starts_with(id + ".");
        });
      }
    }
    epoch_ = response.epoch();
  }
}

void Watcher::Check(const state::ClusterState& cluster) {
  Apply();
  std::map<std::string, std::string> real;
  for (const auto& [id, job] : cluster.jobs()) {
    const v1::Job shown = api::ToProto(cluster.ViewJob(*job), api::SpecPart::kLeftOut);
    real[shown.id()] = Text(shown);
    for (uint32_t g = 0; g < job->groups.size(); ++g) {
      for (uint32_t position = 0; position < job->groups[g].count; ++position) {
        const v1::Task task = api::ToProto(cluster.ViewTask(*job, {id, g, position}));
        real[task.id()] = Text(task);
        // A task that never differed from its group is not spoken of by a watch.
        if (!job->groups[g].rows.contains(position)) picture_[task.id()] = Text(task);
      }
    }
  }
  for (const auto& [id, text] : real) {
    const auto seen = picture_.find(id);
    if (seen == picture_.end()) {
      context_.Violated("a watch does not know " + id + ", which is: " + text);
    } else if (seen->second != text) {
      context_.Violated("a watch has of " + id + ": " + seen->second + "; it is: " + text);
    }
  }
  for (const auto& [id, text] : picture_) {
    if (!real.contains(id)) context_.Violated("a watch still has " + id + ", which is gone");
  }
}

}  // namespace berth::simulation
