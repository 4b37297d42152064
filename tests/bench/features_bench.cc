// What reading a job's text by rules costs.
//
//   tools/bench.sh features
//
// One JSON object a line on standard output: a text, its bytes, and the microseconds that one
// reading of it takes on one core, median of many.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "features/rules.h"

namespace berth::features {
namespace {

constexpr size_t kScriptBytes = 4 << 10;
constexpr size_t kMebibyte = 1 << 20;

constexpr std::string_view kHead = R"(#!/bin/bash
#SBATCH --job-name=align
#SBATCH --nodes=2 --ntasks-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=1-12:00:00
# every sample takes about 40 minutes, the disks are the bottleneck
set -euo pipefail
export OMP_NUM_THREADS=8
)";
constexpr std::string_view kStep = R"(
for s in $(cat samples.txt); do
  bwa mem -t 8 -R "@RG\tID:${s}" /ref/GRCh38.fa fq/${s}_R1.fq.gz fq/${s}_R2.fq.gz \
    | samtools sort -@ 4 -T /scratch/tmp -o bam/${s}.bam -
done
# one model for all of them, llama 7B in bf16
srun python train.py --model_name_or_path Qwen/Qwen2.5-7B --train_file data/sft.jsonl \
  --output_dir runs/sft --epochs 3 --lr 2e-5
)";

std::string Ordinary(size_t bytes) {
  std::string text(kHead);
  while (text.size() < bytes) text += kStep;
  text.resize(bytes);
  return text;
}

std::string Repeated(std::string_view piece) {
  std::string text;
  while (text.size() < kMebibyte) text += piece;
  return text;
}

// Time of a core, and not of the clock on the wall: others run on the machine too.
double ThreadMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void Measure(const Rules& rules, const char* name, const JobText& text, int rounds) {
  std::vector<double> spent;
  int64_t found = 0;
  for (int i = 0; i < rounds; ++i) {
    const double begin = ThreadMicroseconds();
    const Features features = rules.ReadText(text);
    spent.push_back(ThreadMicroseconds() - begin);
    found += features.cpu_milli.has_value() ? 1 : 0;
  }
  std::sort(spent.begin(), spent.end());
  std::printf(
      "{\"bench\": \"features\", \"text\": \"%s\", \"bytes\": %zu, \"us_median\": %.1f, "
      "\"us_p99\": %.1f, \"found_cores\": %s}\n",
      name, text.script.size() + text.description.size(), spent[spent.size() / 2],
      spent[spent.size() * 99 / 100], found > 0 ? "true" : "false");
}

int Main() {
  const auto tables = DefaultTables();
  if (!tables.ok()) {
    std::fprintf(stderr, "features_bench: %s\n", tables.status().ToString().c_str());
    return 1;
  }
  const Rules rules(*tables);
  const std::string script = Ordinary(kScriptBytes);
  const std::string large = Ordinary(kMebibyte);
  Measure(rules, "script of 4 KiB", {.script = script}, 2000);
  Measure(rules, "script of 1 MiB", {.script = large}, 50);
  struct Hostile {
    const char* name;
    std::string_view piece;
  };
  for (const Hostile& hostile :
       {Hostile{"1 MiB of $(", "$("}, Hostile{"1 MiB of quotes", "\"'"},
        Hostile{"1 MiB of directives", "#SBATCH --mem=1G --cpus-per-task=4\n"},
        Hostile{"1 MiB of comments", "# 4 GPUs with 80 GB RAM each\n"},
        Hostile{"1 MiB of here-documents", "cat <<EOF\n"},
        Hostile{"1 MiB of invalid UTF-8", "\xff\xfe"}}) {
    const std::string text = Repeated(hostile.piece);
    Measure(rules, hostile.name, {.script = text}, 30);
  }
  for (const Hostile& hostile :
       {Hostile{"1 MiB description of numbers", "8 GB 4 GPUs no "},
        Hostile{"1 MiB description of models", "llama 7B fine-tune "},
        Hostile{"1 MiB description of paths", "a/"},
        Hostile{"1 MiB description in Chinese", "需要 8 块 A100，内存 300G，"}}) {
    const std::string text = Repeated(hostile.piece);
    Measure(rules, hostile.name, {.description = text}, 30);
  }
  return 0;
}

}  // namespace
}  // namespace berth::features

int main() { return berth::features::Main(); }
