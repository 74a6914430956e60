#pragma once

// What the operations of the API have in common, and their tables: one line per method and path.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/api/http_server.h"

namespace vxtap::api {

using Json = nlohmann::ordered_json;

// A request on its way through an operation.
struct Call {
  Agent& agent;
  const HttpRequest& request;

  // The path's nth variable segment: of /v1/filters/{name}/rules the name is 0.
  std::vector<std::string> names;
  const std::string& name(size_t n = 0) const { return names.at(n); }
};

enum class Body { none, json };

struct Operation {
  const char* method;
  const char* path;  // as OpenAPI writes it: /v1/filters/{name}
  HttpResponse (*run)(Call& call);
  Body body = Body::none;                    // of the request
  std::vector<const char*> parameters = {};  // of its query
};

// One for each group of paths.
std::vector<Operation> filter_operations();
std::vector<Operation> rule_operations();
std::vector<Operation> session_operations();
std::vector<Operation> daemon_operations();

HttpResponse answer(const Json& body, unsigned status = 200);
HttpResponse with_etag(HttpResponse response, const std::string& etag);

// A strong validator (RFC 9110 §8.8.3) of an object as its JSON is: the same object has the same
// one after a restart too.
std::string etag_of(const Json& object);
// Refuses with PreconditionFailed if the client's If-Match does not name the object as it is.
void require_match(const Call& call, const Json& object);

// Commits the plan, and answers with what `report` gives when it is done, and the warnings. With an
// Idempotency-Key the answer is kept with the change, in one step.
HttpResponse change(Call& call, const Plan& plan, unsigned status,
                    const std::function<HttpResponse()>& report);

// A parameter of the query that may stand once; empty if it is not there.
std::optional<std::string> parameter(const Call& call, const std::string& name);
bool flag(const Call& call, const std::string& name);

// Whether the object has the group and all the tags (`key=value`) that the query asks for.
bool selected(const Call& call, const std::string& group, const Tags& tags);

// Of method, path, query and body.
uint64_t request_hash(const HttpRequest& request);

uint32_t draw_vni();

// For headers: a path that leads to the object.
std::string location(const std::vector<std::string>& segments);

}  // namespace vxtap::api
