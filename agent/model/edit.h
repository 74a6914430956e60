#pragma once

// The changes of one object at a time, as plans: SPEC §1, §2.10 and §2.11. Pure. All throw Error:
// invalid as validate() does, not_found, or conflict.

#include <string>
#include <vector>

#include "agent/model/plan.h"

namespace vxtap::edit {

// FilterNotFound, SessionNotFound, RuleNotFound.
const SharedFilter& find_filter(const Configuration& configuration, const std::string& name);
const Session& find_session(const Configuration& configuration, const std::string& name);
const Rule& find_rule(const Filter& filter, Direction direction, uint32_t priority);

std::vector<std::string> sessions_of(const Configuration& configuration, const std::string& filter);

Plan create_filter(const Configuration& current, Filter filter, const Limits& limits);  // NameTaken
Plan remove_filter(const Configuration& current, const std::string& name);  // FilterInUse

Plan create_rule(const Configuration& current, const std::string& filter, const DirectedRule& rule,
                 const Limits& limits);  // PriorityTaken
// The rule of that direction and priority becomes `rule`, whose priority may differ.
Plan replace_rule(const Configuration& current, const std::string& filter, uint32_t priority,
                  const DirectedRule& rule, const Limits& limits);
Plan remove_rule(const Configuration& current, const std::string& filter, Direction direction,
                 uint32_t priority);

Plan create_session(const Configuration& current, Session session, const DrawVni& draw_vni);
Plan remove_session(const Configuration& current, const std::string& name);
Plan set_enabled(const Configuration& current, const std::string& session, bool enabled);
// All of the interfaces or none. Those that are sources already are no error: they are as it is
// written now, with `:flip` or without. To remove one, its name is enough.
Plan add_sources(const Configuration& current, const std::string& session,
                 const std::vector<std::string>& interfaces);
Plan remove_sources(const Configuration& current, const std::string& session,
                    const std::vector<std::string>& interfaces);  // SourceNotFound

}  // namespace vxtap::edit
