#include "machine.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <executorch/runtime/platform/platform.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#include "embed/model.h"

using namespace executorch::runtime;
using Json = nlohmann::json;

namespace {

// As Linux names a feature of the processor: as reports name the instruction set.
constexpr std::pair<const char*, const char*> kIsa[] = {
    {"avx2", "avx2"},               {"fma", "fma"},           {"avx512f", "avx512f"},
    {"avx512_vnni", "avx512_vnni"}, {"avx_vnni", "avx_vnni"}, {"avx512_bf16", "avx512_bf16"},
    {"amx_int8", "amx_int8"},       {"asimd", "neon"},        {"asimdhp", "fp16"},
    {"asimddp", "dotprod"},         {"i8mm", "i8mm"},         {"bf16", "bf16"},
    {"sve", "sve"}};

// The value of the first line "key<separator>value" of a file of the system; "" without one.
std::string fact(const char* path, const std::string& key, char separator = ':') {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t at = line.find(separator);
    if (line.compare(0, key.size(), key) != 0 || at == std::string::npos) continue;
    const size_t begin = line.find_first_not_of(" \t\"", at + 1),
                 end = line.find_last_not_of(" \"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

// The runtime tells on stderr which files of the system it looks at: its errors are enough.
void only_errors(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
                 const char* message, size_t) {
  if (level == kError || level == kFatal) std::fprintf(stderr, "runtime: %s\n", message);
}

}  // namespace

void refuse_emulation([[maybe_unused]] bool timed) {
#ifdef __aarch64__
  // The file is the host's own; a kernel for ARM64 always names an implementer.
  if (!fact("/proc/cpuinfo", "CPU implementer").empty()) return;
  constexpr unsigned long kSme = 1ul << 23;  // a bit of AT_HWCAP2
  if (getauxval(AT_HWCAP2) & kSme) {
    throw InputError("The emulated processor has SME, whose kernels qemu 7.2 computes wrongly.",
                     "Leave it out: QEMU_CPU=max,sme=off.");
  }
  if (timed) {
    throw InputError("This is an emulated processor: its times say nothing of a real one.",
                     "Measure on the device.");
  }
#endif
}

void set_up_runtime(unsigned threads) {
  register_pal(PalImpl::create(only_errors, __FILE__));
  set_threads(threads);
}

uint64_t peak_memory_bytes() {
  return 1024 * std::stoull("0" + fact("/proc/self/status", "VmHWM"));
}

Json device() {
  std::string name = fact("/proc/cpuinfo", "model name");
  if (name.empty())
    std::getline(std::ifstream("/proc/device-tree/model"), name, '\0');  // a board's
  if (name.empty()) name = kAbi;
  const std::string os = fact("/etc/os-release", "PRETTY_NAME", '=');
  std::istringstream flags(fact("/proc/cpuinfo", "flags") + fact("/proc/cpuinfo", "Features"));
  const std::vector<std::string> has{std::istream_iterator<std::string>(flags), {}};
  Json isa = Json::array();
  for (const auto& [flag, known] : kIsa) {
    if (std::find(has.begin(), has.end(), flag) != has.end()) isa.push_back(known);
  }
  return {{"name", name}, {"os", os.empty() ? "Linux" : os},
          {"soc", name},  {"cores", std::max(1u, std::thread::hardware_concurrency())},
          {"abi", kAbi},  {"isa", isa}};
}
