#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/file_tree.h"

namespace berth::testing {

// An entry of a tar archive, whatever it says.
struct TarEntry {
  std::string name;
  std::string content;
  char type = '0';  // '5' folder, '2' symbolic link, '1' hard link, '4' block device, ...
  std::string link;
  int mode = 0755;
};

// A tar archive (ustar) of these. Names have at most 100 bytes.
std::string Tar(const std::vector<TarEntry>& entries);

// An OCI layout that a test makes.
class LayoutBuilder {
 public:
  LayoutBuilder() { tree_.Write("/oci-layout", "{}"); }

  // Adds a blob; its digest.
  std::string Blob(const std::string& bytes) const;
  // Adds a manifest of layers, plain archives, and a configuration, JSON; its digest.
  std::string Manifest(const std::vector<std::string>& layers,
                       const std::string& config = "{}") const;
  // Writes the index: (digest, tag) of each.
  void Index(const std::vector<std::pair<std::string, std::string>>& manifests) const;
  // One image of one layer, whole; the digest of its manifest.
  std::string Image(const std::string& layer) const;

  [[nodiscard]] const std::string& path() const { return tree_.root(); }
  [[nodiscard]] const FileTree& tree() const { return tree_; }
  [[nodiscard]] static std::string BlobPath(const std::string& digest) {
    return "/blobs/sha256/" + digest.substr(digest.find(':') + 1);
  }

 private:
  const FileTree tree_;
};

}  // namespace berth::testing
