// Compile it with -ffp-contract=off: ARM64 has a fused multiply-add, and weights that it computes
// round otherwise than on x86-64.
#include "prepare.h"

#include <algorithm>
#include <cmath>

namespace {

constexpr int kPrecision = 32 - 8 - 2;  // bits of the fraction of a filter's weight

// The filter's weight at a distance; the cubic convolution has a = -1/2.
double weight(double x, bool cubic) {
  if (!cubic) return x < 1 ? 1 - x : 0;
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// The input pixels of one output pixel: the first of them, and their weights in fixed point.
struct Window {
  int first;
  std::vector<int> weights;
};

// Pillow's: the filter widens by the scale when an image shrinks.
std::vector<Window> windows(int from, int to, bool cubic) {
  const double scale = 1.0 * from / to, widening = std::max(scale, 1.0);
  const double support = (cubic ? 2 : 1) * widening;
  std::vector<Window> result;
  for (int index = 0; index < to; ++index) {
    const double centre = (index + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int end = std::min(from, static_cast<int>(centre + support + 0.5));
    std::vector<double> exact;
    double total = 0;
    for (int place = first; place < end; ++place) {
      exact.push_back(weight(std::fabs((place - centre + 0.5) * (1 / widening)), cubic));
      total += exact.back();
    }
    result.push_back({first, {}});
    for (const double share : exact) {
      const double fixed = (total != 0 ? share / total : share) * (1 << kPrecision);
      result.back().weights.push_back(static_cast<int>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
  }
  return result;
}

// Resized along its rows, with rows and columns exchanged: done twice, an image is resized.
Image resize_and_exchange(const Image& image, int width, bool cubic) {
  Image result{image.height, width, Bytes(size_t{3} * width * image.height)};
  uint8_t* out = result.bytes.data();
  for (const Window& window : windows(image.width, width, cubic)) {
    for (int y = 0; y < image.height; ++y) {
      const uint8_t* pixel = image.bytes.data() + 3 * (size_t{1} * y * image.width + window.first);
      std::array<int, 3> sums;
      sums.fill(1 << (kPrecision - 1));  // rounds to nearest
      for (const int weight : window.weights) {
        for (int& sum : sums) sum += *pixel++ * weight;
      }
      for (const int sum : sums)
        *out++ = static_cast<uint8_t>(std::clamp(sum >> kPrecision, 0, 255));
    }
  }
  return result;
}

}  // namespace

Floats prepare(const Image& image, const Artifact& a) {
  if (image.bytes.size() != size_t{3} * image.width * image.height)
    throw InputError("The image has not three bytes a pixel.", "Decode it to RGB.");
  // The sides that cover the crop, in the image's proportion.
  const int crop_height = a.shape[2], crop_width = a.shape[3],
            shorter = std::min(crop_height, crop_width);
  // std::rint rounds a half to the even number, as Python does.
  const auto before = [&](int side) { return std::rint(1.0 * side * a.resize / shorter); };
  const double scale =
      std::max(before(crop_height) / image.height, before(crop_width) / image.width);
  const double wide = std::rint(image.width * scale), high = std::rint(image.height * scale);
  if (!a.stretch && wide * std::max(high, 1.0 * image.height) > kMostPixels)
    throw InputError("The image would be resized to too many pixels.", "Crop it before.");
  const int width = a.stretch ? crop_width : std::max(crop_width, static_cast<int>(wide));
  const int height = a.stretch ? crop_height : std::max(crop_height, static_cast<int>(high));

  // Rows first, rounded to 8 bits, then columns.
  const Image rows = resize_and_exchange(image, width, a.bicubic);
  const Image resized = resize_and_exchange(rows, height, a.bicubic);

  // The middle of it, channel by channel, once for each image of the batch.
  const int left = (width - crop_width) / 2, top = (height - crop_height) / 2;
  Floats input(a.input_size());
  float* out = input.data();
  for (int b = 0; b < a.shape[0]; ++b) {
    for (size_t c = 0; c < 3; ++c) {
      for (int y = top; y < top + crop_height; ++y) {
        const uint8_t* pixel = resized.bytes.data() + 3 * (size_t{1} * y * width + left) + c;
        for (int x = 0; x < crop_width; ++x, pixel += 3) {
          *out++ = (static_cast<float>(*pixel) / 255.0f - a.mean[c]) / a.std[c];
        }
      }
    }
  }
  return input;
}
