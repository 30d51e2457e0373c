#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>

#include "image.h"

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

constexpr size_t kMostPixels = 89478485;  // as the Python side: beyond, a small file fills memory
constexpr int kMostElongated = 100;       // longer side over shorter side

[[noreturn]] void refuse(const std::string& why) {
  throw InputError("The image cannot be read: " + why + ".", "Give a PNG or JPEG file.");
}

size_t big_endian(const uint8_t* bytes, size_t count) {
  size_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

// The EXIF orientation in a TIFF block, 1 to 8; 1 where there is none.
int orientation_of(const uint8_t* tiff, size_t size) {
  if (size < 8 || (std::memcmp(tiff, "II", 2) != 0 && std::memcmp(tiff, "MM", 2) != 0)) return 1;
  const bool little = tiff[0] == 'I';
  const auto read = [&](size_t at, size_t count) -> size_t {
    if (at > size || count > size - at) return 0;
    uint8_t digits[4];
    std::copy_n(tiff + at, count, digits);
    if (little) std::reverse(digits, digits + count);
    return big_endian(digits, count);
  };
  const size_t directory = read(4, 4), entries = read(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (read(entry, 2) != 0x0112) continue;
    const size_t value = read(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// The orientation of a JPEG (its segment APP1) or a PNG (its chunk eXIf).
int orientation_in(const Bytes& file) {
  const uint8_t* bytes = file.data();
  if (file.size() > 2 && bytes[0] == 0xFF && bytes[1] == 0xD8) {
    for (size_t at = 2; at + 4 <= file.size() && bytes[at] == 0xFF && bytes[at + 1] != 0xDA;) {
      const size_t length = big_endian(bytes + at + 2, 2);
      if (length < 2 || at + 2 + length > file.size()) break;
      if (bytes[at + 1] == 0xE1 && length >= 8 && std::memcmp(bytes + at + 4, "Exif\0", 6) == 0) {
        return orientation_of(bytes + at + 10, length - 8);
      }
      at += 2 + length;
    }
    return 1;
  }
  for (size_t at = 8; at + 12 <= file.size();) {
    const size_t length = big_endian(bytes + at, 4);
    if (length > file.size() - at - 12) break;
    if (std::memcmp(bytes + at + 4, "eXIf", 4) == 0) return orientation_of(bytes + at + 8, length);
    at += 12 + length;
  }
  return 1;
}

Image upright(const Image& image, int orientation) {
  if (orientation == 1) return image;
  const bool turned = orientation >= 5;
  const int width = turned ? image.height : image.width;
  const int height = turned ? image.width : image.height;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image result{width, height, {}};
  result.bytes.reserve(image.bytes.size());
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      int column = turned ? y : x, row = turned ? x : y;
      if (from_right) column = image.width - 1 - column;
      if (from_below) row = image.height - 1 - row;
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
  int width = 0, height = 0, channels = 0;
  if (file.size() > INT_MAX) refuse("it is too large");
  const int size = static_cast<int>(file.size());
  if (!stbi_info_from_memory(file.data(), size, &width, &height, &channels)) {
    refuse("no known format");
  }
  if (size_t{1} * width * height > kMostPixels) refuse("it has too many pixels");
  if (std::max(width, height) > kMostElongated * std::min(width, height)) refuse("it is too long");

  Image image{width, height, {}};
  const size_t pixels = size_t{1} * width * height;
  image.bytes.reserve(3 * pixels);
  if (channels == 1 && stbi_is_16_bit_from_memory(file.data(), size)) {
    const std::unique_ptr<stbi_us, decltype(&stbi_image_free)> grey(
        stbi_load_16_from_memory(file.data(), size, &width, &height, &channels, 1), stbi_image_free);
    if (!grey) refuse(stbi_failure_reason());
    for (size_t i = 0; i < pixels; ++i) {
      image.bytes.insert(image.bytes.end(), 3, static_cast<uint8_t>((grey.get()[i] + 128) / 257));
    }
  } else {
    const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> rgba(
        stbi_load_from_memory(file.data(), size, &width, &height, &channels, 4), stbi_image_free);
    if (!rgba) refuse(stbi_failure_reason());
    for (size_t i = 0; i < pixels; ++i) {
      const uint8_t* pixel = rgba.get() + 4 * i;
      for (int c = 0; c < 3; ++c) image.bytes.push_back(over_black(pixel[c], pixel[3]));
    }
  }
  return upright(image, orientation_in(file));
}
