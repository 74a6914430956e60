#pragma once

// Where in a document something stands: `sessions[0].filter`. A chain of places on the stack,
// written out only when an error needs it, since a document may hold hundreds of thousands of
// values.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vxtap {

class Place {
 public:
  Place() = default;  // the document or the object itself
  Place(const Place& parent, std::string_view field) : parent_(&parent), field_(field) {}
  Place(const Place& parent, size_t index) : parent_(&parent), index_(index) {}

  std::string text() const {
    if (parent_ == nullptr) return "";
    auto text = parent_->text();
    if (index_) return text.append("[").append(std::to_string(*index_)).append("]");
    return text.append(text.empty() ? "" : ".").append(field_);
  }

 private:
  const Place* parent_ = nullptr;
  std::string_view field_;
  std::optional<size_t> index_;
};

}  // namespace vxtap
