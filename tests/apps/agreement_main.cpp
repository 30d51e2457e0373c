// Reads agreement.json of tests/apps/golden.py and prints, as JSON, what the runner's self-test
// finds in each case: {"found": [...]} or {"refused": why}.
#include "agreement.h"

#include <cmath>
#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>

using Json = nlohmann::json;

namespace {

std::vector<Floats> logits(const Json& samples) {
  std::vector<Floats> all;
  for (const Json& sample : samples) {
    Floats values;
    for (const Json& value : sample) values.push_back(value.is_null() ? NAN : value.get<float>());
    all.push_back(values);
  }
  return all;
}

std::vector<Agreement> agreements(const Json& test) {
  const auto expected = logits(test["expected"]), actual = logits(test["actual"]);
  if (!test.contains("tensors"))
    return compare(expected, actual, test["heads"], test["batch"], test["classes"]);
  std::vector<Artifact::Tensor> tensors;
  for (const Json& tensor : test["tensors"]) {
    size_t count = 1;
    for (const Json& side : tensor["shape"]) count *= side.get<size_t>();
    tensors.push_back({tensor["name"], count});
  }
  return compare(expected, actual, tensors);
}

Json judged(const Json& test) {
  const double least_sqnr_db = test["mark"]["sqnr_db"];
  const double least_top1 = test["mark"].value("top1", 0.0);
  Json found = Json::array();
  try {
    for (const Agreement& head : agreements(test)) {
      found.push_back(
          {{"sqnr_db", head.sqnr_db}, {"passes", head.passes(least_sqnr_db, least_top1)}});
      if (!head.classes) continue;
      found.back().update({{"top1", head.classes->top1},
                           {"constant_agreement", head.classes->constant},
                           {"judged", head.classes->judged(least_top1)}});
    }
  } catch (const std::domain_error& error) {
    return {{"refused", error.what()}};
  }
  return {{"found", found}};
}

}  // namespace

int main(int, char** argv) {
  const Json cases = Json::parse(std::ifstream(argv[1]));
  Json answers = Json::array();
  for (const Json& test : cases) answers.push_back(judged(test));
  std::cout << answers << std::endl;
}
