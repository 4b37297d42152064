#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/work_thread.h"
#include "images/layer.h"
#include "images/oci_layout.h"
#include "images/podman.h"
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
// names is read with his rights, and all of it: an image that is there already he gets when he has
// once been found to have what it was made of, each layer with its digest.
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
    std::chrono::seconds most_pull = std::chrono::minutes(15);
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
  // Who says that he has what an image is made of: a user, or nobody but the store itself, which
  // has it from a registry; and the digest of its manifest.
  using Claim = std::pair<std::optional<uint32_t>, std::string>;

  // What a reference stood for when the registry was last asked.
  struct Pulled {
    std::string digest;  // of the image in the store
    ImageConfig config;
    std::string id;             // of the image in podman
    std::string registry_says;  // see Podman::Digest()
    int64_t until_ms = 0;       // then it is asked again
  };

  void Resolve(const Request& request, const Answer& answer);
  absl::StatusOr<Image> ResolvePath(const Request& request, std::shared_ptr<LayoutImage>& layout);
  void ResolveReference(const std::string& reference, const Answer& answer);
  // Of the store, marked as used; nothing when it is not there.
  std::shared_ptr<void> Find(const std::string& digest);
  void Provide(const std::optional<uint32_t>& user, std::shared_ptr<LayoutImage> layout,
               const Answer& answer);
  bool IsProven(const Claim& claim);
  void NoteProven(const Claim& claim);

  void UnpackAndAnswer(const Claim& claim, const LayoutImage& layout);
  [[nodiscard]] absl::Status CheckSize(const LayoutImage& layout) const;
  [[nodiscard]] absl::Status Verify(const LayoutImage& layout) const;
  absl::Status Unpack(const LayoutImage& layout);
  absl::Status UnpackInto(const LayoutImage& layout, const std::string& folder);
  [[nodiscard]] GoOn GoOnForAWhile() const;
  void MakeRoom();

  void Pull(const std::string& reference, const Answer& answer);
  // From what is known, as long as it is fresh; false: the registry has to be asked.
  bool AnswerFromKnown(const std::string& reference, const Answer& answer);
  // What is known, fresh again, when the registry says what it said, or podman has fetched what it
  // had; else nothing. Empty: not to be told.
  std::optional<Pulled> Renew(const std::string& reference, const std::string& registry_says,
                              const std::string& id);
  void NotePulled(const std::string& reference, Pulled pulled);
  absl::StatusOr<std::shared_ptr<LayoutImage>> SaveLayout(const Podman::Fetched& fetched);
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
  // Who waits for one that is being unpacked, or verified. By claim: what one has to show is not
  // taken for another's.
  std::map<Claim, std::vector<std::pair<ImageConfig, Answer>>> waiting_ BERTH_GUARDED_BY(mutex_);
  std::set<Claim> proven_ BERTH_GUARDED_BY(mutex_);
  // By digest: weak, so that one that nobody holds is one that nobody uses.
  std::map<std::string, std::weak_ptr<void>> holds_ BERTH_GUARDED_BY(mutex_);
  std::map<std::string, Pulled> pulled_ BERTH_GUARDED_BY(mutex_);  // by reference

  const Podman podman_;

  base::WorkThread resolver_{"images"};
  base::WorkThread puller_{"pull"};
  base::WorkThread unpacker_{"unpack"};
};

}  // namespace berth::images
