#pragma once

// SPEC §5: which request is what operation of the agent.

#include "agent/agent.h"
#include "agent/http_server.h"

namespace vxtap {

// Never throws: an Error becomes its JSON with the status of its kind.
HttpResponse handle(Agent& agent, const HttpRequest& request);

}  // namespace vxtap
