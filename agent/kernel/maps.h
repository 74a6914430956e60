#pragma once

// What the files that work on maps share.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/kernel/check.h"

namespace vxtap {

template <class Key>
std::vector<Key> keys_of(int map) {
  std::vector<Key> keys;
  Key key{};
  while (bpf_map_get_next_key(map, keys.empty() ? nullptr : &keys.back(), &key) == 0) {
    keys.push_back(key);
  }
  return keys;
}

// Makes a per-CPU entry of zeros, or leaves the one that is there. `size`: of a value, in bytes.
template <class Key>
void make_entry(int map, const Key& key, size_t size) {
  const std::vector<uint64_t> zeros((size + 7) / 8 *
                                    static_cast<size_t>(libbpf_num_possible_cpus()));
  const int error = bpf_map_update_elem(map, &key, zeros.data(), BPF_NOEXIST);
  if (error != -EEXIST) check(error, "making a per-CPU entry");
}

// Writes all entries with one call: for an array of maps each call would wait for a grace period.
template <class Key, class Value>
void write_all(int map, const std::vector<Key>& keys, const std::vector<Value>& values,
               const std::string& what) {
  auto count = static_cast<uint32_t>(keys.size());
  if (count == 0) return;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  check(bpf_map_update_batch(map, keys.data(), values.data(), &count, &options), what);
}

}  // namespace vxtap
