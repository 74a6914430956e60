#pragma once

// What a change would do: pure, so that a dry run and the real one cannot differ.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "agent/model/objects.h"
#include "agent/model/validate.h"

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
  // The sessions that were given, and where: `sessions[0]`, or empty for the one of a request.
  std::vector<std::pair<std::string, std::string>> given = {};
};

// Draws a VNI; called until it gives one that no session uses.
using DrawVni = std::function<uint32_t()>;

// Objects of the document replace those of their name; the others stay, or go with `prune`. A
// session that stays and whose VNI is `auto` keeps the VNI that it has. Throws what validate() and
// validate_relations() do.
Plan make_plan(const Configuration& current, Document document, bool prune, const Limits& limits,
               const DrawVni& draw_vni);

// The same for the one object of a document that holds only that: errors name its fields as they
// stand in the object.
Plan plan_filter(const Configuration& current, Filter filter, const Limits& limits);
Plan plan_session(const Configuration& current, Session session, const DrawVni& draw_vni);

// What a user should know of a session as it is: SPEC §1 and §2.1. Sentences.
std::vector<std::string> notes_on(const Session& session, const Configuration& configuration);

}  // namespace vxtap
