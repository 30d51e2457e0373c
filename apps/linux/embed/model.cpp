#include "model.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/tensor/tensor.h>

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

std::mutex pool;  // guards the count, and the runtime's pool while it is exchanged
size_t living = 0;

[[noreturn]] void refuse(const std::string& what) {
  throw InputError("The model " + what + ".", "Build the artifact again.");
}

}  // namespace

void set_threads(unsigned count) {
  if (count == 0) return;
  const std::lock_guard lock(pool);
  if (living > 0) {
    throw InputError("The number of threads cannot change while a model is loaded.",
                     "Set it before the first one, or after the last one is gone.");
  }
  if (!threadpool::get_threadpool()->_unsafe_reset_threadpool(count))
    throw InputError("The runtime does not take so many threads.", "Name fewer.");
}

size_t threads() { return threadpool::get_threadpool()->get_thread_count(); }

Model::Counted::Counted() {
  const std::lock_guard lock(pool);
  ++living;
}

Model::Counted::~Counted() {
  const std::lock_guard lock(pool);
  --living;
}

Model::Model(const Artifact& artifact) : Model(artifact, artifact.file(artifact.model_path)) {}

Model::Model(const Artifact& artifact, Bytes file)
    : artifact_(artifact),
      bytes_(std::move(file)),
      module_(std::make_unique<BufferDataLoader>(bytes_.data(), bytes_.size())) {
  // The program is verified, the delegate made: from here on only `run` costs time.
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

Floats Model::run(Floats input) {
  // The tensor is a view of the input, whose size no type checks.
  if (input.size() != artifact_.input_size()) refuse("wants an input of another size");
  const auto outputs =
      module_.forward(from_blob(input.data(), {artifact_.shape.begin(), artifact_.shape.end()}));
  if (!outputs.ok()) refuse("does not run");
  Floats logits;  // a copy: the outputs are the runtime's memory, until it runs again
  for (const auto& output : *outputs) {  // one for each head
    if (!output.isTensor() || output.toTensor().scalar_type() != ScalarType::Float) {
      refuse("has an output that is no float tensor");
    }
    const float* data = output.toTensor().const_data_ptr<float>();
    logits.insert(logits.end(), data, data + output.toTensor().numel());
  }
  if (logits.size() != artifact_.output_size()) refuse("has another output than its manifest");
  return logits;
}

std::vector<Class> top_classes(const Floats& logits, const Artifact& artifact, int image) {
  if (artifact.classes == 0) {
    throw InputError(artifact.name + " gives tensors, not logits of classes.",
                     "Take another artifact to classify.");
  }
  std::vector<Class> classes;  // with their logits first
  for (int index = 0; index < artifact.classes; ++index) {
    double logit = 0;
    for (int head = 0; head < artifact.heads; ++head) {
      const size_t row = size_t{1} * head * artifact.shape[0] + image;
      logit += logits[row * artifact.classes + index] / artifact.heads;
    }
    classes.push_back({index, logit});
  }
  const size_t top = std::min(kTop, classes.size());
  std::partial_sort(
      classes.begin(), classes.begin() + static_cast<std::ptrdiff_t>(top), classes.end(),
      [](const Class& a, const Class& b) { return a.probability > b.probability; });
  // Softmax, from the largest logit down: no exponential overflows.
  const double largest = classes[0].probability;
  double total = 0;
  for (Class& c : classes) total += c.probability = std::exp(c.probability - largest);
  classes.resize(top);
  for (Class& c : classes) c.probability /= total;
  return classes;
}
