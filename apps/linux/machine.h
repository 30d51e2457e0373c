// What belongs to the machine and to the whole process: its processor, memory, threads and log.
#pragma once

#include <nlohmann/json.hpp>

// What this is compiled for, as reports name the ABI and the runner.
#ifdef __aarch64__
constexpr const char *kAbi = "arm64", *kRunner = "arm64";
#else
constexpr const char *kAbi = "x86_64", *kRunner = "x86-64";
#endif

// Throws InputError under an emulator whose results are wrong and, where they are `timed`, any.
void refuse_emulation(bool timed);

// Before a model is loaded: leaves of the runtime's log the errors, and gives it threads; 0 leaves
// their number to the runtime. Throws InputError for a number that it does not take.
void set_up_runtime(unsigned threads);

uint64_t peak_memory_bytes();
nlohmann::json device();  // as the LatencyReport of apps/README.md has it
