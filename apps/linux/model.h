// A .pte on the ExecuTorch runtime.
#pragma once

#include <executorch/extension/module/module.h>

#include "artifact.h"

class Model {
 public:
  // Loads the artifact's model until it can run; 0 threads leaves their number to the runtime.
  // Throws InputError where the runtime refuses the file or it is not what the manifest says.
  Model(const Artifact& artifact, unsigned threads);

  Floats run(Floats& input);  // logits: heads x batch x classes
  unsigned threads() const;

 private:
  const Artifact& artifact_;
  const Bytes bytes_;  // they stay: the program and its constants point into them
  executorch::extension::Module module_;
};

struct Class {
  int index;
  double probability;
};

// The five most probable classes of an image of the batch; two heads are averaged.
std::vector<Class> top_classes(const Floats& logits, const Artifact& artifact, int image);
