// Sets the runtime's threads before, while and after a model of the artifact argv[1] is loaded;
// argv[2] is an artifact whose model is damaged.
#include <cstdio>
#include <cstring>

#include "embed/model.h"

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (!holds) std::printf("not so: %s\n", what);
  failures += !holds;
}

bool refused(unsigned count) {
  try {
    set_threads(count);
  } catch (const InputError& error) {
    return std::strstr(error.what(), "while a model is loaded") != nullptr;
  }
  return false;
}

}  // namespace

int main(int, char** argv) {
  const Artifact artifact(argv[1]);
  const Floats input(artifact.input_size(), 0.25f);
  set_threads(2);
  expect(threads() == 2, "two threads before the first model");
  Floats logits;
  {
    Model model(artifact);
    logits = model.run(input);
    expect(refused(1), "another number is refused while a model is loaded");
    set_threads(0);
    expect(threads() == 2, "the pool is as it was");
    {
      Model second(artifact);
      expect(second.run(input) == logits, "a second model runs");
    }
    expect(refused(1), "and while one of two is left");
    expect(model.run(input) == logits, "the first model runs on");
  }
  try {
    const Artifact wrong(argv[2]);
    Model damaged(wrong);
    expect(false, "a damaged model is refused");
  } catch (const InputError&) {
  }
  set_threads(1);
  expect(threads() == 1, "one thread after the last model is gone, or did not load");
  Model again(artifact);
  expect(again.run(input).size() == logits.size(), "and a model runs on it");
  return failures;
}
