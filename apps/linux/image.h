// An image as the model wants it: the rule of apps/README.md, to the byte what the Python side does.
#pragma once

#include <vector>

#include "artifact.h"

// Pixels of 8 bits, row by row, three bytes (red, green, blue) a pixel.
struct Image {
  int width, height;
  Bytes bytes;
};

// Decodes a PNG or JPEG file to upright RGB: transparency over black, 16-bit grey scaled. Throws
// InputError for what cannot be decoded and, before its pixels are allocated, for what is too large.
Image decode(const Bytes& file);

// Resized so that the crop window is covered, then the window.
Image resize_and_crop(const Image& image, const Manifest& manifest);

// Writes the image as every image of the batch, float32 NCHW, into `input`.
void prepare(const Image& image, const Manifest& manifest, std::vector<float>& input);
