#include "runtime.h"

#include <memory>
#include <vector>

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>

using namespace executorch::extension;
using executorch::runtime::Error;
using executorch::runtime::EValue;
using executorch::runtime::Program;

struct program {
  std::vector<uint8_t> bytes;
  std::unique_ptr<Module> module;
  std::vector<EValue> outputs;
};

int program_load(const void* bytes, size_t size, struct program** loaded) {
  const auto* first = static_cast<const uint8_t*>(bytes);
  auto made = std::make_unique<program>();
  made->bytes.assign(first, first + size);
  made->module = std::make_unique<Module>(
      std::make_unique<BufferDataLoader>(made->bytes.data(), made->bytes.size()));
  Error error = made->module->load(Program::Verification::InternalConsistency);
  if (error == Error::Ok) error = made->module->load_forward();
  if (error == Error::Ok) *loaded = made.release();
  return static_cast<int>(error);
}

int program_run(struct program* program, const float* input, const int32_t* shape, size_t rank) {
  auto tensor = from_blob(const_cast<float*>(input), {shape, shape + rank});
  auto outputs = program->module->forward(tensor);
  if (!outputs.ok()) return static_cast<int>(outputs.error());
  program->outputs = std::move(*outputs);
  return 0;
}

size_t program_outputs(const struct program* program) { return program->outputs.size(); }

int program_output(const struct program* program, size_t index, const float** data, size_t* count) {
  const EValue& output = program->outputs[index];
  if (!output.isTensor()) return static_cast<int>(Error::InvalidType);
  *data = output.toTensor().const_data_ptr<float>();
  *count = static_cast<size_t>(output.toTensor().numel());
  return 0;
}

void program_free(struct program* program) { delete program; }
