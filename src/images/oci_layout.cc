#include "images/oci_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "images/digest.h"

namespace berth::images {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostDocumentBytes = 4 << 20;
constexpr size_t kMostLayers = 512;
constexpr int kDeepestIndex = 4;
constexpr char kRefName[] = "org.opencontainers.image.ref.name";

struct Descriptor {
  std::string media_type;
  std::string digest;
  int64_t size = -1;  // less than none: not said
  std::string ref_name;
  std::string platform;  // "linux/amd64"; empty: not said
};

// As Go calls it.
std::string OwnPlatform() {
  utsname name;
  const std::string machine = uname(&name) == 0 ? name.machine : "";
  const std::string architecture = machine == "x86_64"    ? "amd64"
                                   : machine == "aarch64" ? "arm64"
                                                          : machine;
  return "linux/" + architecture;
}

// Members of a document that may be anything.
std::string TextOf(const Json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

const Json& MemberOf(const Json& object, const char* key) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto member = object.find(key);
  return member == object.end() ? kNothing : *member;
}

std::vector<std::string> TextsOf(const Json& object, const char* key) {
  std::vector<std::string> texts;
  for (const Json& each : MemberOf(object, key)) {
    if (each.is_string()) texts.push_back(each.get<std::string>());
  }
  return texts;
}

// No program can be started with one.
bool HasNul(const ImageConfig& config) {
  const auto has = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  for (const auto* texts : {&config.entrypoint, &config.command, &config.environment}) {
    if (std::any_of(texts->begin(), texts->end(), has)) return true;
  }
  return has(config.working_directory);
}

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(base::A(what)); }

// A fifo must not hold up whoever reads it.
absl::StatusOr<base::UniqueFd> OpenRegular(const std::string& path, struct stat& info) {
  base::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return absl::ErrnoToStatus(errno, base::A("cannot open " + path));
  if (fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return Bad(path + " is no regular file");
  }
  return file;
}

absl::StatusOr<std::string> ReadRegular(const std::string& path) {
  struct stat info = {};
  BERTH_ASSIGN_OR_RETURN(const base::UniqueFd file, OpenRegular(path, info));
  if (info.st_size > static_cast<off_t>(kMostDocumentBytes)) {
    return Bad(path + " has more than 4 MiB");
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = read(file.get(), text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, base::A("cannot read " + path));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  return text;
}

absl::StatusOr<Json> Parse(const std::string& text, const std::string& name) {
  Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return Bad("its " + name + " is no JSON object");
  return document;
}

absl::StatusOr<Descriptor> ReadDescriptor(const Json& object) {
  Descriptor descriptor;
  descriptor.media_type = TextOf(object, "mediaType");
  descriptor.digest = TextOf(object, "digest");
  if (!IsDigest(descriptor.digest)) {
    return Bad("it names a part by \"" + descriptor.digest + "\", which is no sha256 digest");
  }
  const Json& size = MemberOf(object, "size");
  if (size.is_number_integer()) descriptor.size = size.get<int64_t>();
  descriptor.ref_name = TextOf(MemberOf(object, "annotations"), kRefName);
  const Json& platform = MemberOf(object, "platform");
  if (platform.is_object()) {
    descriptor.platform = TextOf(platform, "os") + "/" + TextOf(platform, "architecture");
  }
  return descriptor;
}

bool IsIndex(const Descriptor& descriptor) {
  return descriptor.media_type == "application/vnd.oci.image.index.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

class LayoutReader {
 public:
  explicit LayoutReader(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<LayoutImage> Read(const std::string& tag) {
    BERTH_ASSIGN_OR_RETURN(const std::string text, ReadRegular(directory_ + "/index.json"));
    BERTH_ASSIGN_OR_RETURN(const Json index, Parse(text, "index.json"));
    BERTH_ASSIGN_OR_RETURN(Descriptor found, ChooseTagged(index, tag));
    for (int depth = 0; IsIndex(found); ++depth) {
      if (depth == kDeepestIndex) return Bad("its index leads to another one again and again");
      BERTH_ASSIGN_OR_RETURN(const Json inner, ReadDocument(found.digest, "index"));
      BERTH_ASSIGN_OR_RETURN(found, ChoosePlatform(inner));
    }
    return ReadManifest(found.digest);
  }

 private:
  absl::StatusOr<std::vector<Descriptor>> Manifests(const Json& index) const {
    std::vector<Descriptor> all;
    for (const Json& each : MemberOf(index, "manifests")) {
      BERTH_ASSIGN_OR_RETURN(Descriptor descriptor, ReadDescriptor(each));
      all.push_back(std::move(descriptor));
    }
    if (all.empty()) return Bad("its index names no image");
    return all;
  }

  absl::StatusOr<Descriptor> ChooseTagged(const Json& index, const std::string& tag) const {
    BERTH_ASSIGN_OR_RETURN(const std::vector<Descriptor> all, Manifests(index));
    std::vector<Descriptor> named;
    std::string names;
    for (const Descriptor& each : all) {
      names += (names.empty() ? "" : ", ") +
               (each.ref_name.empty() ? "one without a name" : "\"" + each.ref_name + "\"");
      if (tag.empty() || each.ref_name == tag) named.push_back(each);
    }
    if (named.empty()) {
      return Bad("it has no image \"" + tag + "\"; it has " + names);
    }
    if (named.size() == 1) return named.front();
    std::vector<Descriptor> ours;
    for (const Descriptor& each : named) {
      if (each.platform == platform_) ours.push_back(each);
    }
    if (ours.size() == 1) return ours.front();
    return Bad("it has " + std::to_string(named.size()) + " images: " + names + "; name one, as " +
               directory_ + ":NAME");
  }

  // The first that fits, as an index of one image for several machines is made.
  absl::StatusOr<Descriptor> ChoosePlatform(const Json& index) const {
    BERTH_ASSIGN_OR_RETURN(const std::vector<Descriptor> all, Manifests(index));
    std::string platforms;
    for (const Descriptor& each : all) {
      if (each.platform.empty() || each.platform == platform_) return each;
      platforms += (platforms.empty() ? "" : ", ") + each.platform;
    }
    return Bad("it is for " + platforms + ", and this node is " + platform_);
  }

  std::string BlobPath(const std::string& digest) const {
    return directory_ + "/blobs/sha256/" + digest.substr(kSha256.size());
  }

  absl::StatusOr<Json> ReadDocument(const std::string& digest, const std::string& name) const {
    BERTH_ASSIGN_OR_RETURN(const std::string text, ReadRegular(BlobPath(digest)));
    if (std::string(kSha256) + base::Sha256Hex(text) != digest) {
      return absl::DataLossError(base::A("its " + name + " " + digest +
                                         " is not what its digest says: the layout is damaged;"
                                         " make it again"));
    }
    return Parse(text, name);
  }

  absl::StatusOr<LayoutImage> ReadManifest(const std::string& digest) const {
    BERTH_ASSIGN_OR_RETURN(const Json manifest, ReadDocument(digest, "manifest"));
    LayoutImage image;
    image.digest = digest;
    BERTH_ASSIGN_OR_RETURN(const Descriptor config, ReadDescriptor(MemberOf(manifest, "config")));
    BERTH_ASSIGN_OR_RETURN(const Json document, ReadDocument(config.digest, "configuration"));
    const std::string platform = TextOf(document, "os") + "/" + TextOf(document, "architecture");
    if (platform != "/" && platform != platform_) {
      return Bad("it is for " + platform + ", and this node is " + platform_);
    }
    const Json& run = MemberOf(document, "config");
    image.config.entrypoint = TextsOf(run, "Entrypoint");
    image.config.command = TextsOf(run, "Cmd");
    image.config.environment = TextsOf(run, "Env");
    image.config.working_directory = TextOf(run, "WorkingDir");
    if (HasNul(image.config)) return Bad("its configuration has a NUL character in it");
    const Json& layers = MemberOf(manifest, "layers");
    if (layers.size() > kMostLayers) return Bad("it has more than 512 layers");
    for (const Json& each : layers) {
      BERTH_ASSIGN_OR_RETURN(const Descriptor descriptor, ReadDescriptor(each));
      BERTH_ASSIGN_OR_RETURN(LayerBlob layer, OpenLayer(descriptor));
      image.layers.push_back(std::move(layer));
    }
    if (image.layers.empty()) return Bad("it has no layers");
    return image;
  }

  absl::StatusOr<LayerBlob> OpenLayer(const Descriptor& descriptor) const {
    if (descriptor.media_type.find("tar") == std::string::npos ||
        descriptor.media_type.find("encrypted") != std::string::npos) {
      return Bad("its layer " + descriptor.digest + " is of type \"" + descriptor.media_type +
                 "\", and not a tar archive, plain or with gzip or zstd");
    }
    LayerBlob layer;
    layer.digest = descriptor.digest;
    struct stat info = {};
    BERTH_ASSIGN_OR_RETURN(layer.file, OpenRegular(BlobPath(descriptor.digest), info));
    // Before anybody reads it: a file without end would take as long to sum up.
    if (info.st_size != descriptor.size) {
      return absl::DataLossError(
          base::A("its layer " + descriptor.digest + " has " + std::to_string(info.st_size) +
                  " bytes, and its manifest says " +
                  (descriptor.size < 0 ? "no size" : std::to_string(descriptor.size)) +
                  ": the layout is damaged; make it again"));
    }
    layer.size = info.st_size;
    return layer;
  }

  const std::string directory_;
  const std::string platform_ = OwnPlatform();
};

}  // namespace

bool IsLayout(const std::string& directory) {
  struct stat info = {};
  return stat((directory + "/oci-layout").c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::StatusOr<LayoutImage> ReadLayout(const std::string& directory, const std::string& tag) {
  return LayoutReader(directory).Read(tag);
}

}  // namespace berth::images
