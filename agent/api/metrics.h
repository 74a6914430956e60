#pragma once

#include <string>

#include "agent/agent.h"

namespace vxtap {

// In the text format of Prometheus: prometheus.io/docs/instrumenting/exposition_formats
inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
std::string metrics(Agent& agent);

}  // namespace vxtap
