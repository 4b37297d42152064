// berth cp: files and folders to and from a task.
#include <unistd.h>
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "base/strings.h"
#include "cli/commands/commands.h"
#include "cli/one_task.h"
#include "cli/rpc_status.h"
#include "files/file_header.h"

namespace berth::cli {
namespace {

constexpr std::size_t kFilePieceBytes = 64 << 10;

struct CpFlags {
  std::string from;
  std::string to;
  bool recursive = false;
};

// One end of a copy: a path here, or "TASK:PATH".
struct Place {
  std::string task;  // empty: here
  std::string path;
  bool is_here() const { return task.empty(); }
};

// What stands before a colon is a task when it looks like one: "12:", "12.3:", "last:", "last.3:".
// A file of such a name is "./12:x".
Place ParsePlace(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return {"", text};
  const std::string before = text.substr(0, colon);
  const bool looks_like_one =
      before == "last" || before.starts_with("last.") ||
      (before[0] >= '0' && before[0] <= '9' && before.find('/') == std::string::npos);
  if (!looks_like_one) return {"", text};
  return {before, text.substr(colon + 1)};
}

// What it is called in a folder that it is put into; empty: what is in it goes there itself.
std::string NameInFolder(std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  const std::string name = path.substr(path.rfind('/') + 1);
  return name == "." || name == ".." ? "" : name;
}

// berth-files here, and what it says at its end.
class LocalWork {
 public:
  explicit LocalWork(FilesProcess process) : process_(std::move(process)) {
    errors_ = std::thread([this] { error_ = ReadAll(process_.error.get()); });
  }
  LocalWork(const LocalWork&) = delete;
  LocalWork& operator=(const LocalWork&) = delete;
  ~LocalWork() {
    if (errors_.joinable()) IgnoreEnd();
  }

  // The next bytes; empty at the end.
  std::string Read(std::size_t most) {
    std::string piece(most, '\0');
    std::size_t size = 0;
    while (size < most) {
      const ssize_t got = read(process_.output.get(), piece.data() + size, most - size);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      size += static_cast<std::size_t>(got);
    }
    piece.resize(size);
    return piece;
  }
  // False: it reads no more.
  bool Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(process_.input.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  // Waits for its end.
  absl::Status Finish() {
    process_.input.reset();
    while (!Read(kFilePieceBytes).empty()) {
    }
    errors_.join();
    const int code = process_.wait();
    if (code == 0) return absl::OkStatus();
    while (!error_.empty() && error_.back() == '\n') error_.pop_back();
    const std::string text = error_.empty() ? "berth-files failed without saying why" : error_;
    if (code == files::kNotFound) return absl::NotFoundError(text);
    if (code == files::kNotAllowed) return absl::PermissionDeniedError(text);
    return absl::FailedPreconditionError(text);
  }

 private:
  static std::string ReadAll(int fd) {
    std::string text;
    char part[4096];
    for (ssize_t got; (got = read(fd, part, sizeof(part))) > 0;) {
      text.append(part, static_cast<std::size_t>(got));
    }
    return text;
  }
  void IgnoreEnd() {
    process_.input.reset();
    process_.output.reset();
    errors_.join();
    process_.wait();
  }

  FilesProcess process_;
  std::thread errors_;
  std::string error_;
};

absl::Status IsFolder(const std::string& path) {
  return absl::InvalidArgumentError(path + " is a folder: give -r to copy it with all in it");
}

absl::Status Send(Invocation& invocation, Client& client, const std::string& from,
                  const std::string& task, const std::string& to, bool recursive) {
  BERTH_ASSIGN_OR_RETURN(FilesProcess reading, invocation.process().start_files({"read", from}));
  LocalWork work(std::move(reading));
  files::FileHeader header;
  const std::string bytes = work.Read(sizeof(header));
  if (bytes.size() != sizeof(header)) return work.Finish();
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.archive != 0 && !recursive) return IsFolder(from);

  grpc::ClientContext context;
  v1::WriteFileResponse response;
  const auto stream = client.jobs().WriteFile(&context, &response);
  v1::WriteFileRequest request;
  request.set_task_id(task);
  request.set_path(to.empty() ? "." : to);
  request.set_name(NameInFolder(from));
  request.set_archive(header.archive != 0);
  request.set_mode(header.archive != 0 ? 0 : static_cast<int32_t>(header.mode & 0777));
  bool goes_on = stream->Write(request);
  while (goes_on) {
    v1::WriteFileRequest next;
    next.set_data(work.Read(kFilePieceBytes));
    if (next.data().empty()) break;
    goes_on = stream->Write(next);
  }
  if (goes_on) {
    // What could not be read here must not look whole there.
    if (absl::Status read = work.Finish(); !read.ok()) {
      context.TryCancel();
      stream->Finish().ok();
      return read;
    }
    stream->WritesDone();
  }
  const grpc::Status status = stream->Finish();
  return status.ok() ? absl::OkStatus() : client.Explain(status);
}

absl::Status Fetch(Invocation& invocation, Client& client, const std::string& task,
                   const std::string& from, const std::string& to, bool recursive) {
  grpc::ClientContext context;
  v1::ReadFileRequest request;
  request.set_task_id(task);
  request.set_path(from);
  const auto stream = client.jobs().ReadFile(&context, request);
  v1::FileChunk chunk;
  const auto give_up = [&](absl::Status why) {
    context.TryCancel();
    while (stream->Read(&chunk)) {
    }
    stream->Finish().ok();
    return why;
  };
  if (!stream->Read(&chunk)) {
    const grpc::Status status = stream->Finish();
    return status.ok() ? absl::UnknownError("berthd sent nothing") : client.Explain(status);
  }
  if (chunk.archive() && !recursive) return give_up(IsFolder(task + ":" + from));
  std::vector<std::string> arguments = {"write"};
  if (chunk.archive()) {
    arguments.emplace_back("--archive");
  } else {
    char mode[16];
    std::snprintf(mode, sizeof(mode), "%o", static_cast<unsigned>(chunk.mode() & 0777));
    arguments.insert(arguments.end(), {"--mode", mode});
  }
  if (const std::string name = NameInFolder(from); !name.empty()) {
    arguments.insert(arguments.end(), {"--name", name});
  }
  arguments.push_back(to);
  absl::StatusOr<FilesProcess> writing = invocation.process().start_files(arguments);
  if (!writing.ok()) return give_up(writing.status());
  LocalWork work(*std::move(writing));
  do {
    if (!work.Write(chunk.data())) return give_up(work.Finish());
  } while (stream->Read(&chunk));
  const grpc::Status status = stream->Finish();
  const absl::Status written = work.Finish();
  return status.ok() ? written : client.Explain(status);
}

absl::StatusOr<int> RunCp(const CpFlags& flags, Invocation& invocation) {
  BERTH_RETURN_IF_ERROR(invocation.RefuseNameFormat("cp"));
  if (flags.from.empty() || flags.to.empty()) {
    return absl::InvalidArgumentError(
        "from where to where? As in: berth cp 12.3:result.csv . , or: berth cp data.csv "
        "12.3:data/");
  }
  const Place from = ParsePlace(flags.from);
  const Place to = ParsePlace(flags.to);
  if (from.is_here() == to.is_here()) {
    return absl::InvalidArgumentError(
        from.is_here() ? "neither " + flags.from + " nor " + flags.to +
                             " is of a task: write one of them as TASK:PATH, as in 12.3:result.csv"
                       : "from one task to another is not done at once: copy it here first");
  }
  if (from.path.empty()) {
    return absl::InvalidArgumentError("\"" + flags.from + "\" has no path after the colon");
  }
  BERTH_ASSIGN_OR_RETURN(const std::string task,
                         OneTask(invocation, from.is_here() ? to.task : from.task, "cp"));
  BERTH_ASSIGN_OR_RETURN(Client* const client, invocation.client());
  BERTH_RETURN_IF_ERROR(
      from.is_here() ? Send(invocation, *client, from.path, task, to.path, flags.recursive)
                     : Fetch(invocation, *client, task, from.path, to.path, flags.recursive));
  return 0;
}

}  // namespace

Action AddCp(CLI::App& app) {
  const auto flags = std::make_shared<CpFlags>();
  app.add_option("FROM", flags->from, "A path here, or TASK:PATH");
  app.add_option("TO", flags->to, "The other; a folder that is there is one to put it into");
  app.add_flag("-r,--recursive", flags->recursive, "Folders, with all that is in them");
  app.footer(
      "A task's paths begin in its working directory. What its user may not read or write is not\n"
      "read or written. Of a task that has ended, its scratch directory is kept for a day.\n"
      "A file whose name looks like a task's is written ./12:name.");
  return [flags](Invocation& invocation) { return RunCp(*flags, invocation); };
}

}  // namespace berth::cli
