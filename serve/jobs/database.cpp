#include "serve/jobs/database.h"

#include <algorithm>

#include "core/utf8.h"

namespace stemsmith {

std::vector<SqlRow> SqlSession::Query(const std::string& statement,
                                      const std::vector<SqlValue>& values) {
  std::vector<SqlValue> clean = values;
  for (SqlValue& value : clean) {
    auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) continue;
    bool changed = false;
    *text = AsUtf8(*text, &changed);
    std::replace(text->begin(), text->end(), '\0', ' ');
  }
  return Run(statement, clean);
}

}  // namespace stemsmith
