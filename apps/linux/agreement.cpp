#include "agreement.h"

#include <algorithm>
#include <cmath>

namespace {

constexpr double kIdenticalDb = 200;  // the ratio that is reported for equal logits

using Rows = std::vector<const float*>;  // one for each image of each sample

double sqnr_db(const Rows& expected, const Rows& actual, size_t numbers) {
  double signal = 0, noise = 0;
  for (size_t k = 0; k < numbers; ++k) {
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
  return noise == 0 ? kIdenticalDb : std::min(10 * std::log10(signal / noise), kIdenticalDb);
}

ClassAgreement class_agreement(const Rows& expected, const Rows& actual, int classes) {
  const auto largest = [&](const float* row) { return std::max_element(row, row + classes) - row; };
  std::vector<int> counts(static_cast<size_t>(classes));
  int equal = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    ++counts[static_cast<size_t>(largest(expected[i]))];
    equal += largest(expected[i]) == largest(actual[i]);
  }
  const double images = static_cast<double>(expected.size());
  return {equal / images, *std::max_element(counts.begin(), counts.end()) / images};
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
    const Rows wanted = rows(expected), got = rows(actual);
    const double decibels = sqnr_db(wanted, got, static_cast<size_t>(classes));
    found.push_back({decibels, class_agreement(wanted, got, classes)});
  }
  return found;
}

std::vector<Agreement> compare(const std::vector<Floats>& expected,
                               const std::vector<Floats>& actual,
                               const std::vector<Artifact::Tensor>& tensors) {
  std::vector<Agreement> found;
  size_t start = 0;
  for (const Artifact::Tensor& tensor : tensors) {
    const auto rows = [&](const std::vector<Floats>& samples) {
      Rows all;
      for (const Floats& numbers : samples) all.push_back(numbers.data() + start);
      return all;
    };
    found.push_back({sqnr_db(rows(expected), rows(actual), tensor.count), {}});
    start += tensor.count;
  }
  return found;
}
