#include "model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/platform/platform.h>

// The wheel has this class in libexecutorch_threadpool.so, and of its headers only the guard's.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  size_t get_thread_count() const;
  bool _unsafe_reset_threadpool(uint32_t threads);
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

using namespace executorch::extension;
using namespace executorch::runtime;
using executorch::aten::ScalarType;

namespace {

constexpr size_t kTop = 5;

// The runtime tells on stderr which files of the system it looks at: its errors are enough.
void only_errors(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, size_t,
                 const char* message, size_t) {
  if (level == kError || level == kFatal) std::fprintf(stderr, "runtime: %s\n", message);
}

[[noreturn]] void refuse(const std::string& what) {
  throw InputError("The model " + what + ".", "Build the artifact again.");
}

}  // namespace

Model::Model(const Artifact& artifact, unsigned threads)
    : artifact_(artifact),
      bytes_(artifact.model()),
      module_(std::make_unique<BufferDataLoader>(bytes_.data(), bytes_.size())) {
  register_pal(PalImpl::create(only_errors, __FILE__));
  if (threads != 0 && !threadpool::get_threadpool()->_unsafe_reset_threadpool(threads)) {
    refuse("cannot run on so many threads");
  }
  if (module_.load(Program::Verification::InternalConsistency) != Error::Ok ||
      module_.load_forward() != Error::Ok) {
    refuse("does not load: the runtime refuses it");
  }
  const auto meta = module_.method_meta("forward");
  if (!meta.ok() || meta->num_inputs() != 1) refuse("has not one input");
  const auto input = meta->input_tensor_meta(0);
  const auto& shape = artifact.shape;
  if (!input.ok() || input->scalar_type() != ScalarType::Float ||
      !std::equal(input->sizes().begin(), input->sizes().end(), shape.begin(), shape.end())) {
    refuse("has another input than its manifest");
  }
}

Floats Model::run(Floats& input) {
  const auto outputs =
      module_.forward(from_blob(input.data(), {artifact_.shape.begin(), artifact_.shape.end()}));
  if (!outputs.ok()) refuse("does not run");
  Floats logits;
  for (const auto& output : *outputs) {
    if (!output.isTensor() || output.toTensor().scalar_type() != ScalarType::Float) {
      refuse("has an output that is no float tensor");
    }
    const float* data = output.toTensor().const_data_ptr<float>();
    logits.insert(logits.end(), data, data + output.toTensor().numel());
  }
  if (logits.size() != artifact_.output_size()) refuse("has another output than its manifest");
  return logits;
}

unsigned Model::threads() const {
  return static_cast<unsigned>(threadpool::get_threadpool()->get_thread_count());
}

std::vector<Class> top_classes(const Floats& logits, const Artifact& artifact, int image) {
  const int heads = artifact.heads, count = artifact.classes;
  std::vector<Class> classes;
  for (int index = 0; index < count; ++index) {
    double logit = 0;
    for (int head = 0; head < heads; ++head) {
      logit += logits[(size_t{1} * head * artifact.shape[0] + image) * count + index] / heads;
    }
    classes.push_back({index, logit});
  }
  const auto more = [](const Class& a, const Class& b) { return a.probability > b.probability; };
  const double largest = std::min_element(classes.begin(), classes.end(), more)->probability;
  double total = 0;
  for (Class& c : classes) total += c.probability = std::exp(c.probability - largest);
  const size_t top = std::min(kTop, classes.size());
  std::partial_sort(classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(top),
                    classes.end(), more);
  classes.resize(top);
  for (Class& c : classes) c.probability /= total;
  return classes;
}
