// ExecuTorch's C++ runtime as Swift can call it. Every function returns a number of error.h, 0 for
// success.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct program;

// Verifies a program and makes its delegates; the bytes are copied.
int program_load(const void* bytes, size_t size, struct program** loaded);

// Runs on one float tensor.
int program_run(struct program* program, const float* input, const int32_t* shape, size_t rank);

// An output of the last run: the runtime's memory until the next one.
size_t program_outputs(const struct program* program);
int program_output(const struct program* program, size_t index, const float** data, size_t* count);

void program_free(struct program* program);

#ifdef __cplusplus
}
#endif
