#include "agreement.h"

#include <algorithm>
#include <cmath>

namespace {

constexpr double kIdenticalDb = 200;  // the ratio that is reported for equal logits

using Rows = std::vector<const float*>;  // one for each image of each sample

Agreement compare_head(const Rows& expected, const Rows& actual, int classes) {
  double signal = 0, noise = 0;
  for (int k = 0; k < classes; ++k) {
    double mean = 0;
    for (const float* row : expected) mean += row[k];
    mean /= static_cast<double>(expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      signal += std::pow(expected[i][k] - mean, 2);
      noise += std::pow(1.0 * actual[i][k] - expected[i][k], 2);
    }
  }
  if (!std::isfinite(signal) || !std::isfinite(noise))
    throw std::domain_error("there are NaN or infinite logits");
  if (signal == 0)  // of fewer than two images, too
    throw std::domain_error("these inputs do not tell, their expected logits do not differ");
  const auto largest = [&](const float* row) { return std::max_element(row, row + classes) - row; };
  std::vector<int> counts(static_cast<size_t>(classes));
  int equal = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    ++counts[static_cast<size_t>(largest(expected[i]))];
    equal += largest(expected[i]) == largest(actual[i]);
  }
  const double images = static_cast<double>(expected.size());
  const double sqnr = noise == 0 ? kIdenticalDb : 10 * std::log10(signal / noise);
  return {std::min(sqnr, kIdenticalDb), equal / images,
          *std::max_element(counts.begin(), counts.end()) / images};
}

}  // namespace

std::vector<Agreement> compare(const std::vector<Floats>& expected,
                               const std::vector<Floats>& actual, int heads, int batch,
                               int classes) {
  std::vector<Agreement> found;
  for (int head = 0; head < heads; ++head) {
    const auto rows = [&](const std::vector<Floats>& samples) {
      Rows all;
      for (const Floats& logits : samples) {
        for (int image = 0; image < batch; ++image)
          all.push_back(logits.data() + size_t{1} * (head * batch + image) * classes);
      }
      return all;
    };
    found.push_back(compare_head(rows(expected), rows(actual), classes));
  }
  return found;
}
