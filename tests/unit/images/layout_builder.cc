#include "tests/unit/images/layout_builder.h"

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/sha256.h"

namespace berth::testing {
namespace {

constexpr size_t kBlock = 512;

void Put(std::string& block, size_t at, const std::string& text) {
  block.replace(at, text.size(), text);
}

std::string Octal(size_t number, int digits) {
  char text[32];
  snprintf(text, sizeof(text), "%0*zo", digits, number);
  return text;
}

}  // namespace

std::string Tar(const std::vector<TarEntry>& entries) {
  std::string tar;
  for (const TarEntry& entry : entries) {
    std::string block(kBlock, '\0');
    Put(block, 0, entry.name);
    Put(block, 100, Octal(static_cast<size_t>(entry.mode), 7));
    Put(block, 108, Octal(0, 7));
    Put(block, 116, Octal(0, 7));
    Put(block, 124, Octal(entry.content.size(), 11));
    Put(block, 136, Octal(1'000'000'000, 11));
    Put(block, 148, "        ");
    block[156] = entry.type;
    Put(block, 157, entry.link);
    Put(block, 257,
        std::string("ustar\0"
                    "00",
                    8));
    size_t sum = 0;
    for (const char byte : block) sum += static_cast<unsigned char>(byte);
    Put(block, 148, Octal(sum, 6) + std::string("\0 ", 2));
    tar += block + entry.content;
    tar.append((kBlock - entry.content.size() % kBlock) % kBlock, '\0');
  }
  tar.append(2 * kBlock, '\0');
  return tar;
}

std::string LayoutBuilder::Blob(const std::string& bytes) const {
  const std::string digest = "sha256:" + base::Sha256Hex(bytes);
  tree_.Write(BlobPath(digest), bytes);
  return digest;
}

std::string LayoutBuilder::Manifest(const std::vector<std::string>& layers,
                                    const std::string& config) const {
  nlohmann::json document = {{"config", {{"digest", Blob(config)}}},
                             {"layers", nlohmann::json::array()}};
  for (const std::string& layer : layers) {
    document["layers"].push_back({{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                  {"digest", Blob(layer)},
                                  {"size", layer.size()}});
  }
  return Blob(document.dump());
}

void LayoutBuilder::Index(const std::vector<std::pair<std::string, std::string>>& manifests) const {
  nlohmann::json index = {{"manifests", nlohmann::json::array()}};
  for (const auto& [digest, tag] : manifests) {
    nlohmann::json entry = {{"digest", digest}};
    if (!tag.empty()) entry["annotations"] = {{"org.opencontainers.image.ref.name", tag}};
    index["manifests"].push_back(entry);
  }
  tree_.Write("/index.json", index.dump());
}

std::string LayoutBuilder::Image(const std::string& layer) const {
  const std::string digest = Manifest({layer});
  Index({{digest, ""}});
  return digest;
}

}  // namespace berth::testing
