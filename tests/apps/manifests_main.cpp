// Reads the manifests in the list of the file argv[1], each as the manifest.json of the folder
// argv[2], and prints a JSON list: why each was refused, or null.
#include "embed/artifact.h"

#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>

using Json = nlohmann::json;

int main(int, char** argv) {
  Json answers = Json::array();
  for (const Json& text : Json::parse(std::ifstream(argv[1]))) {
    std::ofstream(std::string(argv[2]) + "/manifest.json", std::ios::binary)
        << text.get<std::string>();
    try {
      const Artifact artifact(argv[2]);
      answers.push_back(nullptr);
    } catch (const InputError& error) {
      answers.push_back(error.what());
    }
  }
  // what is quoted from a damaged text may be no UTF-8
  std::cout << answers.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
}
