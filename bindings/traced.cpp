#include "traced.h"

#include <string>
#include <unordered_set>

namespace rushlight::bindings {

const char* lasting_name(const char* name) {
  static auto* const names = new std::unordered_set<std::string>;  // filled while the module is imported
  std::string text = name;
  if (text.size() > 4 && text.compare(0, 2, "__") == 0) text = text.substr(2, text.size() - 4);
  return names->insert(std::move(text)).first->c_str();
}

}  // namespace rushlight::bindings
