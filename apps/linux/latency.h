// Measuring: the LatencyReport of apps/README.md, and the turns that `edgeform profile` asks for.
#pragma once

#include "artifact.h"

struct Settings {
  int iterations = 100, warmup = 10;
  unsigned threads = 0;  // 0: the runtime's own choice
};

// Measures and writes the report as JSON to `out`. Throws InputError.
void bench(const Artifact& artifact, const Bytes& image, const Settings& settings,
           const std::string& out);

// Answers on stdout when ready, then to each line of stdin with as many samples as it says, and at
// its end with the peak memory.
void turns(const Artifact& artifact, const Settings& settings);

// Throws InputError under an emulator whose results are wrong and, where they are `timed`, any.
void refuse_emulation(bool timed);
