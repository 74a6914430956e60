#pragma once

#include <sys/mman.h>

#include <cerrno>

#include "agent/kernel/check.h"
#include "bpf/mirror_abi.h"

namespace vxtap {

// The switch to the next configuration, in the map `editions` of bpf/maps.h. While there is one, no
// program takes what it remembers for the running configuration. If the process ends meanwhile,
// none does until the next switch.
class NextEdition {
 public:
  // Throws Error(internal).
  explicit NextEdition(int editions) : edition_(map(editions)) {
    __atomic_store_n(&edition_->current, 0, __ATOMIC_SEQ_CST);
  }
  ~NextEdition() {
    __atomic_store_n(&edition_->current, ++edition_->last, __ATOMIC_SEQ_CST);
    munmap(edition_, sizeof(mirror_edition));
  }
  NextEdition(const NextEdition&) = delete;
  NextEdition& operator=(const NextEdition&) = delete;

 private:
  static mirror_edition* map(int editions) {
    void* memory =
        mmap(nullptr, sizeof(mirror_edition), PROT_READ | PROT_WRITE, MAP_SHARED, editions, 0);
    check(memory == MAP_FAILED ? -errno : 0, "mapping the number of the configuration");
    return static_cast<mirror_edition*>(memory);
  }

  mirror_edition* edition_;
};

}  // namespace vxtap
