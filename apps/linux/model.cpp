#include "model.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/module/module.h>
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

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::BufferDataLoader;
using executorch::extension::Module;
using executorch::runtime::Error;
using executorch::runtime::Program;

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

// The bytes stay: the program and its constants point into them.
struct Model::Runtime {
  explicit Runtime(const Artifact& artifact)
      : manifest(artifact.manifest()),
        bytes(artifact.model()),
        module(std::make_unique<BufferDataLoader>(bytes.data(), bytes.size())) {}

  const Manifest manifest;
  const Bytes bytes;
  Module module;
};

Model::Model(const Artifact& artifact, unsigned threads)
    : runtime_(std::make_unique<Runtime>(artifact)) {
  executorch::runtime::register_pal(
      executorch::runtime::PalImpl::create(only_errors, __FILE__));
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (threads != 0 && !pool->_unsafe_reset_threadpool(threads)) refuse("cannot run on so many threads");
  Module& module = runtime_->module;
  if (module.load(Program::Verification::InternalConsistency) != Error::Ok ||
      module.load_forward() != Error::Ok) {
    refuse("does not load: the runtime refuses it");
  }
  const auto meta = module.method_meta("forward");
  if (!meta.ok() || meta->num_inputs() != 1) refuse("has not one input");
  const auto input = meta->input_tensor_meta(0);
  const auto& shape = runtime_->manifest.shape;
  if (!input.ok() || input->scalar_type() != ScalarType::Float ||
      !std::equal(input->sizes().begin(), input->sizes().end(), shape.begin(), shape.end())) {
    refuse("has another input than its manifest");
  }
}

Model::~Model() = default;

std::vector<float> Model::run(std::vector<float>& input) {
  const auto& shape = runtime_->manifest.shape;
  const auto tensor = executorch::extension::from_blob(
      input.data(), std::vector<SizesType>(shape.begin(), shape.end()));
  const auto outputs = runtime_->module.forward(tensor);
  if (!outputs.ok()) refuse("does not run");
  std::vector<float> logits;
  for (const auto& output : *outputs) {
    if (!output.isTensor() || output.toTensor().scalar_type() != ScalarType::Float) {
      refuse("has an output that is no float tensor");
    }
    const auto& values = output.toTensor();
    const float* data = values.const_data_ptr<float>();
    logits.insert(logits.end(), data, data + values.numel());
  }
  if (logits.size() != runtime_->manifest.output_size()) {
    refuse("has another output than its manifest");
  }
  return logits;
}

unsigned Model::threads() const {
  return static_cast<unsigned>(
      executorch::extension::threadpool::get_threadpool()->get_thread_count());
}

std::vector<Class> top_classes(const std::vector<float>& logits, const Manifest& m, int row) {
  const size_t count = static_cast<size_t>(m.classes), rows = static_cast<size_t>(m.rows);
  std::vector<double> values(count, 0.0);
  for (size_t head = 0; head < static_cast<size_t>(m.heads); ++head) {
    const float* from = logits.data() + (head * rows + static_cast<size_t>(row)) * count;
    for (size_t i = 0; i < count; ++i) values[i] += from[i] / m.heads;
  }
  const double largest = *std::max_element(values.begin(), values.end());
  double total = 0;
  for (double& value : values) total += value = std::exp(value - largest);
  std::vector<int> order(count);
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(kTop, count));
  std::partial_sort(order.begin(), end, order.end(), [&](int a, int b) {
    return values[static_cast<size_t>(a)] > values[static_cast<size_t>(b)];
  });
  std::vector<Class> top;
  for (auto it = order.begin(); it != end; ++it) {
    top.push_back({*it, values[static_cast<size_t>(*it)] / total});
  }
  return top;
}
