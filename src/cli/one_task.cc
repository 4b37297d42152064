#include "cli/one_task.h"

#include <vector>

#include "base/status_macros.h"
#include "cli/selector.h"

namespace berth::cli {

absl::StatusOr<std::string> OneTask(Invocation& invocation, const std::string& argument,
                                    std::string_view verb) {
  if (argument.empty()) {
    return absl::InvalidArgumentError("which task? Name one, as in: berth " + std::string(verb) +
                                      " 12.3, or: berth " + std::string(verb) + " last");
  }
  BERTH_ASSIGN_OR_RETURN(std::vector<Selector> selectors, ParseSelectors({argument}));
  if (selectors.size() != 1) {
    return absl::InvalidArgumentError("\"" + argument + "\" names " +
                                      std::to_string(selectors.size()) +
                                      " things: name one task, as 12.3");
  }
  BERTH_RETURN_IF_ERROR(invocation.ResolveLast(selectors));
  return selectors[0].id;
}

}  // namespace berth::cli
