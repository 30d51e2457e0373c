// Measuring: the LatencyReport of apps/README.md, and the turns that `edgeform profile` asks for.
#pragma once

#include "embed/artifact.h"

// Measures, after `warmup` inferences that do not count, and gives the report as JSON.
std::string bench(const Artifact& artifact, int warmup, int iterations);

// Answers on stdout when ready, then to each line of stdin with as many samples as it says, and at
// its end with the peak memory.
void turns(const Artifact& artifact, int warmup);
