#pragma once

// SPEC §5: which request is what operation of the agent.

#include "agent/agent.h"
#include "agent/api/http_server.h"

namespace vxtap {

// Never throws: an Error becomes its JSON with the status of its kind.
HttpResponse handle(Agent& agent, const HttpRequest& request);
// The same for those who may read the metrics and nothing else.
HttpResponse handle_metrics(Agent& agent, const HttpRequest& request);

// Bytes that the body of a request may have.
uint64_t body_limit(const std::string& method, const std::vector<std::string>& segments);

}  // namespace vxtap
