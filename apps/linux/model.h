// A .pte on the ExecuTorch runtime.
#pragma once

#include <memory>
#include <vector>

#include "artifact.h"

class Model {
 public:
  // Loads the artifact's model until it can run. `threads` 0 leaves their number to the runtime.
  // Throws InputError where the runtime refuses the file or it is not what the manifest says.
  Model(const Artifact& artifact, unsigned threads);
  ~Model();

  // The logits (heads, rows, classes) of one input.
  std::vector<float> run(std::vector<float>& input);
  unsigned threads() const;

 private:
  struct Runtime;
  std::unique_ptr<Runtime> runtime_;
};

struct Class {
  int index;
  double probability;
};

// The five most probable classes of one row; two heads are averaged.
std::vector<Class> top_classes(const std::vector<float>& logits, const Manifest& manifest, int row);
