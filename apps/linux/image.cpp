#include "image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_NO_STDIO
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace {

constexpr double kMostPixels = 89478485;  // as the Python side: beyond, a small file fills memory
constexpr int kMostElongated = 100;       // longer side over shorter side
constexpr int kPrecision = 32 - 8 - 2;    // bits of the fraction of a filter's weight

[[noreturn]] void refuse(const std::string& why) {
  throw InputError("The image cannot be read: " + why + ".", "Give a PNG or JPEG file.");
}

// `count` bytes from `at` on as a number; bytes beyond the end are zeros.
size_t number(const Bytes& bytes, size_t at, size_t count, bool little = false) {
  size_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t place = little ? at + count - 1 - i : at + i;
    value = value << 8 | (place < bytes.size() ? bytes[place] : 0);
  }
  return value;
}

// Where the EXIF data of a JPEG (segment APP1) or a PNG (chunk eXIf) begin; 0 where there are none.
size_t exif(const Bytes& file) {
  if (number(file, 0, 2) == 0xFFD8) {
    for (size_t at = 2; number(file, at, 2) > 0xFF00 && number(file, at, 2) != 0xFFDA;) {
      if (number(file, at, 2) == 0xFFE1 && number(file, at + 4, 6) == 0x457869660000)
        return at + 10;
      at += 2 + number(file, at + 2, 2);
    }
    return 0;
  }
  for (size_t at = 8; at < file.size(); at += 12 + number(file, at, 4)) {
    if (number(file, at + 4, 4) == 0x65584966) return at + 8;
  }
  return 0;
}

// 1 to 8, of which 1 is upright.
size_t orientation(const Bytes& file) {
  const size_t start = exif(file);
  if (start == 0) return 1;
  const bool little = number(file, start, 2) == 0x4949;
  const size_t directory = start + number(file, start + 4, 4, little);
  for (size_t left = number(file, directory, 2, little), at = directory + 2; left > 0;
       --left, at += 12) {
    if (number(file, at, 2, little) != 0x0112) continue;
    const size_t value = number(file, at + 8, 2, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

Image upright(const Image& image, size_t orientation) {
  if (orientation == 1) return image;
  const bool turned = orientation >= 5;
  const auto is_one_of = [&](const char* digits) { return std::strchr(digits, '0' + orientation); };
  const bool from_right = is_one_of("2378"), from_below = is_one_of("3467");
  Image result{turned ? image.height : image.width, turned ? image.width : image.height, {}};
  result.bytes.reserve(image.bytes.size());
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      const int column = from_right ? image.width - 1 - (turned ? y : x) : turned ? y : x;
      const int row = from_below ? image.height - 1 - (turned ? x : y) : turned ? x : y;
      const auto pixel = image.bytes.begin() + 3 * (std::ptrdiff_t{row} * image.width + column);
      result.bytes.insert(result.bytes.end(), pixel, pixel + 3);
    }
  }
  return result;
}

// value * alpha / 255, rounded as Pillow's alpha_composite rounds it.
uint8_t over_black(unsigned value, unsigned alpha) {
  const unsigned scaled = (value * alpha + 128) << 7;
  return static_cast<uint8_t>((((scaled >> 8) + scaled) >> 8) >> 7);
}

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

Image decode(const Bytes& file) {
  const int size = static_cast<int>(file.size());
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(file.data(), size, &width, &height, &channels))
    refuse("no known format");
  if (1.0 * width * height > kMostPixels) refuse("it has too many pixels");
  if (std::max(width, height) > kMostElongated * std::min(width, height)) refuse("it is too long");
  Image image{width, height, Bytes(size_t{3} * width * height)};
  if (channels == 1 && stbi_is_16_bit_from_memory(file.data(), size)) {
    const std::unique_ptr<stbi_us[], decltype(&stbi_image_free)> grey(
        stbi_load_16_from_memory(file.data(), size, &width, &height, &channels, 1),
        stbi_image_free);
    if (!grey) refuse(stbi_failure_reason());
    for (size_t i = 0; i < image.bytes.size(); ++i) {
      image.bytes[i] = static_cast<uint8_t>((grey[i / 3] + 128) / 257);
    }
  } else {
    const std::unique_ptr<stbi_uc[], decltype(&stbi_image_free)> rgba(
        stbi_load_from_memory(file.data(), size, &width, &height, &channels, 4), stbi_image_free);
    if (!rgba) refuse(stbi_failure_reason());
    for (size_t i = 0; i < image.bytes.size(); ++i) {
      image.bytes[i] = over_black(rgba[i / 3 * 4 + i % 3], rgba[i / 3 * 4 + 3]);
    }
  }
  return upright(image, orientation(file));
}

void prepare(const Image& image, const Artifact& a, Floats& input) {
  const int crop_height = a.shape[2], crop_width = a.shape[3],
            shorter = std::min(crop_height, crop_width);
  // std::rint rounds a half to the even number, as Python does.
  const auto before = [&](int side) { return std::rint(1.0 * side * a.resize / shorter); };
  const double scale =
      std::max(before(crop_height) / image.height, before(crop_width) / image.width);
  const double wide = std::rint(image.width * scale), high = std::rint(image.height * scale);
  if (wide * std::max(high, 1.0 * image.height) > kMostPixels) {
    throw InputError("The image would be resized to too many pixels.", "Crop it before.");
  }
  const int width = std::max(crop_width, static_cast<int>(wide));
  const int height = std::max(crop_height, static_cast<int>(high));
  const Image rows = resize_and_exchange(image, width, a.bicubic);
  const Image resized = resize_and_exchange(rows, height, a.bicubic);
  const int left = (width - crop_width) / 2, top = (height - crop_height) / 2;
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
}
