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

Json judged(const Json& test) {
  const double least_sqnr_db = test["mark"]["sqnr_db"], least_top1 = test["mark"]["top1"];
  Json found = Json::array();
  try {
    for (const Agreement& head : compare(logits(test["expected"]), logits(test["actual"]),
                                         test["heads"], test["batch"], test["classes"])) {
      found.push_back({{"sqnr_db", head.sqnr_db},
                       {"top1", head.top1},
                       {"constant_agreement", head.constant},
                       {"judged", head.judges_top1(least_top1)},
                       {"passes", head.passes(least_sqnr_db, least_top1)}});
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
