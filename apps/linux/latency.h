// Measuring: the LatencyReport of apps/README.md, and the turns that `edgeform profile` asks for.
#pragma once

#include <string>

#include "artifact.h"

struct Settings {
  int iterations = 100, warmup = 10;
  unsigned threads = 0;  // 0: the runtime's own choice
};

// Measures and writes the report as JSON to `out`. Throws InputError under emulation.
void bench(const Artifact& artifact, const Bytes& image, const Settings& settings,
           const std::string& out);

// Answers on stdout when ready, then to each line of stdin with as many samples as it says, and at
// its end with the peak memory.
void turns(const Artifact& artifact, const Settings& settings);

// Whether qemu translates this ARM64 program, and whether its processor is one whose kernels it
// computes wrongly. Throws InputError for the latter.
bool emulated();
void refuse_wrong_emulation();
