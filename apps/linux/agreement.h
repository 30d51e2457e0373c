// The self-test's figures: how far logits are from the expected ones.
#pragma once

#include <optional>

#include "embed/artifact.h"

struct ClassAgreement {
  double top1;
  double constant;  // the top1 of an answer that is always the commonest class

  // Whether top1 says anything: a constant answer does not reach the mark.
  bool judged(double least_top1) const { return constant < least_top1; }
};

// Of one head's logits or of one tensor, over all images. The ratio weighs the error against what
// differs between images: an answer that is always the same reaches 0 dB at best.
struct Agreement {
  double sqnr_db;
  std::optional<ClassAgreement> classes;  // of logits

  bool passes(double least_sqnr_db, double least_top1) const {
    return sqnr_db >= least_sqnr_db &&
           (!classes || classes->top1 >= least_top1 || !classes->judged(least_top1));
  }
};

// One for each head; logits are heads x batch x classes a sample. Throws std::domain_error for what
// cannot be judged: NaN, fewer than two images, or images whose expected logits do not differ.
std::vector<Agreement> compare(const std::vector<Floats>& expected,
                               const std::vector<Floats>& actual, int heads, int batch,
                               int classes);

// The same of tensors of any meaning, one for each; a sample has them one after the other.
std::vector<Agreement> compare(const std::vector<Floats>& expected,
                               const std::vector<Floats>& actual,
                               const std::vector<Artifact::Tensor>& tensors);
