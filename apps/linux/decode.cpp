#include "decode.h"

#include <algorithm>
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

constexpr int kMostElongated = 100;  // longer side over shorter side

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
