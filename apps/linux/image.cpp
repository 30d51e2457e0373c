#include "image.h"

#include <algorithm>
#include <cmath>

namespace {

// Pillow's resize of 8-bit images: each output pixel is a weighted sum of input pixels under a
// filter that widens by the scale when the image shrinks; weights in fixed point, the sum rounded
// to 8 bits after the rows and again after the columns.
constexpr int kPrecision = 32 - 8 - 2;  // bits of a weight's fraction
constexpr size_t kMostPixels = 89478485;

double bilinear(double distance) { return distance < 1 ? 1 - distance : 0; }

// The cubic convolution with a = -1/2.
double bicubic(double distance) {
  constexpr double a = -0.5;
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * a : 0;
}

// The input pixels of one output pixel: the first of them, and their weights.
struct Window {
  int first;
  std::vector<int> weights;
};

std::vector<Window> windows(int from, int to, bool cubic) {
  const double scale = static_cast<double>(from) / to, widening = std::max(scale, 1.0);
  const double support = (cubic ? 2 : 1) * widening;
  std::vector<Window> result(static_cast<size_t>(to));
  for (int index = 0; index < to; ++index) {
    const double centre = (index + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int end = std::min(from, static_cast<int>(centre + support + 0.5));
    std::vector<double> exact;
    double total = 0;
    for (int place = first; place < end; ++place) {
      const double distance = std::fabs((place - centre + 0.5) * (1 / widening));
      exact.push_back(cubic ? bicubic(distance) : bilinear(distance));
      total += exact.back();
    }
    Window& window = result[static_cast<size_t>(index)];
    window.first = first;
    for (const double weight : exact) {
      const double fixed = (total != 0 ? weight / total : weight) * (1 << kPrecision);
      window.weights.push_back(static_cast<int>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
  }
  return result;
}

// The weighted sum of bytes that lie `step` apart.
uint8_t sum(const uint8_t* bytes, size_t step, const std::vector<int>& weights) {
  int total = 1 << (kPrecision - 1);  // rounds to nearest
  for (const int weight : weights) {
    total += *bytes * weight;
    bytes += step;
  }
  return static_cast<uint8_t>(std::clamp(total >> kPrecision, 0, 255));
}

Image resize_rows(const Image& image, int width, bool cubic) {
  const auto columns = windows(image.width, width, cubic);
  Image result{width, image.height, Bytes(size_t{3} * width * image.height)};
  uint8_t* out = result.bytes.data();
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* row = image.bytes.data() + size_t{3} * y * image.width;
    for (const Window& window : columns) {
      for (int c = 0; c < 3; ++c) *out++ = sum(row + 3 * window.first + c, 3, window.weights);
    }
  }
  return result;
}

Image resize_columns(const Image& image, int height, bool cubic) {
  const size_t stride = size_t{3} * image.width;
  Image result{image.width, height, Bytes(stride * height)};
  uint8_t* out = result.bytes.data();
  for (const Window& window : windows(image.height, height, cubic)) {
    const uint8_t* row = image.bytes.data() + stride * window.first;
    for (size_t at = 0; at < stride; ++at) *out++ = sum(row + at, stride, window.weights);
  }
  return result;
}

Image crop(const Image& image, int left, int top, int width, int height) {
  Image cut{width, height, {}};
  for (int y = top; y < top + height; ++y) {
    const auto row = image.bytes.begin() + 3 * (std::ptrdiff_t{y} * image.width + left);
    cut.bytes.insert(cut.bytes.end(), row, row + 3 * width);
  }
  return cut;
}

}  // namespace

Image resize_and_crop(const Image& image, const Manifest& m) {
  const int shorter = std::min(m.crop_height, m.crop_width);
  // std::rint rounds a half to the even number, as Python does
  const auto before = [&](int side) { return std::rint(1.0 * side * m.resize / shorter); };
  const double scale =
      std::max(before(m.crop_height) / image.height, before(m.crop_width) / image.width);
  const double wide = std::rint(image.width * scale), high = std::rint(image.height * scale);
  if (wide * high > kMostPixels || wide * image.height > kMostPixels) {
    throw InputError("The image would be resized to too many pixels.", "Crop it before.");
  }
  const int width = std::max(m.crop_width, static_cast<int>(wide));
  const int height = std::max(m.crop_height, static_cast<int>(high));
  Image resized = width == image.width ? image : resize_rows(image, width, m.bicubic);
  if (height != image.height) resized = resize_columns(resized, height, m.bicubic);
  return crop(resized, (width - m.crop_width) / 2, (height - m.crop_height) / 2, m.crop_width,
              m.crop_height);
}

void prepare(const Image& image, const Manifest& m, std::vector<float>& input) {
  const Bytes pixels = resize_and_crop(image, m).bytes;
  float* out = input.data();
  for (int b = 0; b < m.shape[0]; ++b) {
    for (size_t c = 0; c < 3; ++c) {
      const float mean = m.normalized_by_caller ? m.mean[c] : 0;
      const float deviation = m.normalized_by_caller ? m.std[c] : 1;
      for (size_t at = c; at < pixels.size(); at += 3) {
        *out++ = (static_cast<float>(pixels[at]) / 255.0f - mean) / deviation;
      }
    }
  }
}
