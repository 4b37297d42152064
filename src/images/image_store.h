#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "images/oci_layout.h"
#include "images/user_rights.h"

namespace berth::images {

// A root file system on this node, ready to be a task's lower layer.
struct Image {
  std::string root;  // absolute
  // True: a directory that somebody named; who uses it must be allowed to read it. Else it is the
  // store's own, and whoever got this has been found to be allowed to.
  bool named = false;
  ImageConfig config;
  // While it lives, the store does not remove the image.
  std::shared_ptr<void> hold;
};

// The images of a node:
//
//   FOLDER/sha256-HEX/root    an image unpacked, by the digest of its manifest
//   FOLDER/sha256-HEX/size    what it takes up
//   FOLDER/.unpacking-N/      one that is being unpacked
//
// An image is the name of a directory that is a root file system, or an OCI layout ("/DIR:TAG"), or
// a registry's reference, which podman fetches. Each is unpacked once, and gets its name when it is
// whole and on disk; those not used for longest go when all take up more than they may. What a user
// names is read with his rights.
//
// Threading: Get() on one thread, to which `post` brings the answers; the work is done on three
// others: for what is quick, for what comes over the network, and for what is unpacked. Errors are
// sentences about the image.
class ImageStore {
 public:
  struct Options {
    std::string folder;
    int64_t most_bytes = int64_t{50} << 30;
    int64_t keep_free_bytes = int64_t{256} << 20;  // of the disk, while one is unpacked
    std::string podman = "podman";
    // Roots that tasks have as their lower layer now.
    std::function<std::set<std::string>()> in_use = [] { return std::set<std::string>(); };
  };
  struct Request {
    std::string image;
    std::string program;  // a root file system that has nothing else may have this
    FileUser user;
  };
  using Answer = std::function<void(absl::StatusOr<Image>)>;
  using Post = std::function<void(std::function<void()>)>;

  // `clock` outlives it.
  ImageStore(Options options, const base::Clock& clock, Post post);
  ImageStore(const ImageStore&) = delete;
  ImageStore& operator=(const ImageStore&) = delete;
  ~ImageStore() { Stop(); }

  // Makes the folder, and removes what an agent before this one was unpacking.
  absl::Status Open();

  void Get(Request request, Answer answer);

  // Gives up what is being done, and ends the threads; no answer comes after it.
  void Stop();

 private:
  struct Pulled {
    std::string digest;
    ImageConfig config;
    int64_t until_ms = 0;
  };

  void Resolve(const Request& request, const Answer& answer);
  absl::StatusOr<Image> ResolvePath(const Request& request, std::shared_ptr<LayoutImage>& layout);
  // Of the store, marked as used; nothing when it is not there.
  std::shared_ptr<void> Find(const std::string& digest);
  void Provide(std::shared_ptr<LayoutImage> layout, const Answer& answer);
  void UnpackAndAnswer(const std::shared_ptr<LayoutImage>& layout);
  absl::Status Unpack(const LayoutImage& layout);
  absl::Status UnpackInto(const LayoutImage& layout, const std::string& folder);
  void Pull(const std::string& reference, const Answer& answer);
  absl::StatusOr<std::shared_ptr<LayoutImage>> PullLayout(const std::string& reference);
  void MakeRoom();
  void AnswerWith(const Answer& answer, absl::StatusOr<Image> image);
  [[nodiscard]] std::string Folder(const std::string& digest) const;
  [[nodiscard]] std::string Root(const std::string& digest) const {
    return Folder(digest) + "/root";
  }
  [[nodiscard]] Image ImageOf(const std::string& digest, const ImageConfig& config,
                              std::shared_ptr<void> hold) const;

  const Options options_;
  const base::Clock& clock_;
  const Post post_;
  std::atomic<bool> stopped_ = false;
  std::atomic<uint64_t> next_ = 0;

  base::Mutex mutex_;
  // By digest: who waits for one that is being unpacked.
  std::map<std::string, std::vector<std::pair<ImageConfig, Answer>>> waiting_
      BERTH_GUARDED_BY(mutex_);
  // By digest: weak, so that one that nobody holds is one that nobody uses.
  std::map<std::string, std::weak_ptr<void>> holds_ BERTH_GUARDED_BY(mutex_);
  std::map<std::string, Pulled> pulled_ BERTH_GUARDED_BY(mutex_);  // by reference

  base::WorkThread resolver_{"images"};
  base::WorkThread puller_{"pull"};
  base::WorkThread unpacker_{"unpack"};
};

}  // namespace berth::images
