// PNG and JPEG files through stb: a platform has a decoder of its own.
#pragma once

#include "embed/prepare.h"

// A file as upright RGB, transparency over black. Throws InputError, for what is too large before
// its pixels are allocated.
Image decode(const Bytes& file);
