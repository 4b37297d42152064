#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agentd/drivers/cdi.h"
#include "agentd/drivers/driver.h"
#include "agentd/drivers/oci_config.h"
#include "agentd/drivers/process_driver.h"
#include "images/image_store.h"

namespace berth::agentd {

// Runs a task in a root file system of its own, through crun: payload.image.
//
// All but that is as ProcessDriver has it. It gets the image, writes the bundle (paths.bundle) of
// which shim/container.h says what is in it, and leaves the rest to the shim. The image itself
// stays as it is: what a task writes goes to a layer of its own, and away with it.
//
// Threading: one thread. Errors: CannotStart.
class OciDriver final : public Driver {
 public:
  struct Options {
    std::string runtime = "crun";  // a path, or looked up in PATH
    std::string shim_program;      // absolute: process 1 of every container
    std::string host_name;
    std::vector<std::string> cdi_folders;
  };

  // Both outlive it.
  OciDriver(ProcessDriver& process, images::ImageStore& images, Options options);

  [[nodiscard]] std::variant<TaskIdentity, CannotStart> Admit(
      const v1::StartTask& start) const override;
  void Prepare(const AttemptToPrepare& attempt, PreparedAnswer answer) override;
  [[nodiscard]] CannotStart Explain(const shim::StatusRecord& start,
                                    std::string_view spec_file) const override;

 private:
  struct Work;

  [[nodiscard]] CannotStart Refuse(v1::ReasonCode reason, std::string message) const;
  [[nodiscard]] std::variant<PreparedTask, CannotStart> Finish(Work& work,
                                                               const images::Image& image) const;
  // The devices of the attempt, or why it cannot have them.
  [[nodiscard]] std::variant<ContainerEdits, CannotStart> Devices(const v1::StartTask& start) const;

  ProcessDriver& process_;
  images::ImageStore& images_;
  const Options options_;
  const CdiRegistry cdi_;
};

// The driver for each task: `oci` where it names an image, `process` else.
class DriverChoice final : public Driver {
 public:
  // Both outlive it.
  DriverChoice(Driver& process, Driver& oci) : process_(process), oci_(oci) {}

  [[nodiscard]] std::variant<TaskIdentity, CannotStart> Admit(
      const v1::StartTask& start) const override {
    return For(start).Admit(start);
  }
  void Prepare(const AttemptToPrepare& attempt, PreparedAnswer answer) override {
    For(attempt.start).Prepare(attempt, std::move(answer));
  }
  // Of either.
  [[nodiscard]] CannotStart Explain(const shim::StatusRecord& start,
                                    std::string_view spec_file) const override {
    return oci_.Explain(start, spec_file);
  }

 private:
  [[nodiscard]] Driver& For(const v1::StartTask& start) const {
    return start.payload().image().empty() ? process_ : oci_;
  }

  Driver& process_;
  Driver& oci_;
};

}  // namespace berth::agentd
