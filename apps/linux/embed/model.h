// A .pte on the ExecuTorch runtime. With the other two headers, from a folder to a class:
//
//   const Artifact artifact(folder);                       // reads and checks the manifest
//   Model model(artifact);                                 // once: loads what has its digest
//   const Floats logits = model.run(prepare(image, artifact));
//   const Class best = top_classes(logits, artifact, 0)[0];
#pragma once

#include <executorch/extension/module/module.h>

#include "artifact.h"

// The threads of the runtime: one pool for the whole process, which every loaded model goes on using.
// 0 leaves their number as it is. Throws InputError while a Model lives, as another number frees the
// pool under it, and for a number that the runtime does not take. What loads models without this
// class is not seen.
void set_threads(unsigned count);
size_t threads();

// For one thread at a time. The artifact outlives it.
class Model {
 public:
  // Loads the artifact's model until it can run. Throws InputError where the runtime refuses the
  // file or it is not what the manifest says.
  explicit Model(const Artifact& artifact);

  // The same of the model's file, read and its digest checked before.
  Model(const Artifact& artifact, Bytes file);

  Floats run(Floats input);  // logits: heads x batch x classes; or tensors, one after the other

 private:
  struct Counted {  // among the living, from before the runtime loads until after it has closed
    Counted();
    ~Counted();
  };

  const Counted counted_;
  const Artifact& artifact_;
  const Bytes bytes_;  // they stay: the program and its constants point into them
  executorch::extension::Module module_;
};

struct Class {
  int index;
  double probability;
};

// The five most probable classes of an image of the batch; two heads are averaged. Throws InputError
// where the outputs are no logits.
std::vector<Class> top_classes(const Floats& logits, const Artifact& artifact, int image);
