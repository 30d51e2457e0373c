// An image as the model wants it: the rule of apps/README.md, to the bit what the Python side does.
#pragma once

#include "artifact.h"

// An upright image from the platform's decoder: EXIF's orientation is applied, transparency is over
// black.
struct Image {
  int width, height;
  Bytes bytes;  // row by row: red, green, blue
};

constexpr double kMostPixels = 89478485;  // as the Python side: beyond, a small file fills memory

// The image, resized, cropped and normalized, as every image of an input: float32 NCHW. Throws
// InputError where the resized image had too many pixels.
Floats prepare(const Image& image, const Artifact& artifact);
