#pragma once

// What applying a document would do: pure, so that a dry run and the real one cannot differ.

#include <functional>
#include <string>
#include <vector>

#include "agent/model.h"

namespace vxtap {

struct Change {
  enum class Action { create, change, remove, unchanged };
  Action action;
  std::string kind;  // "filter" or "session"
  std::string name;
};

struct Plan {
  Configuration result;
  std::vector<Change> changes;
  std::vector<std::string> warnings;
};

// Draws a VNI; called until it gives one that no session uses.
using DrawVni = std::function<uint32_t()>;

// Objects of the document replace those of their name; the others stay, or go with `prune`. A
// session that stays and whose VNI is `auto` keeps the VNI that it has. Throws what
// validate_relations() does.
Plan make_plan(const Configuration& current, const Document& document, bool prune,
               const DrawVni& draw_vni);

}  // namespace vxtap
