// An image as the model wants it: the rule of apps/README.md, to the bit what the Python side does.
#pragma once

#include "artifact.h"

struct Image {
  int width, height;
  Bytes bytes;  // row by row: red, green, blue
};

// A PNG or JPEG file as upright RGB, transparency over black. A platform has a decoder of its own.
// Throws InputError, for what is too large before its pixels are allocated.
Image decode(const Bytes& file);

// Writes the image, resized, cropped and normalized, as every image of `input`: float32 NCHW.
void prepare(const Image& image, const Artifact& artifact, Floats& input);
