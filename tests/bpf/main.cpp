// The tests have a network namespace to themselves, which goes with the process.

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdio>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // Asking for the names of the tests needs no privilege.
  if (!testing::GTEST_FLAG(list_tests) && unshare(CLONE_NEWNET) != 0) {
    std::perror("bpf_tests needs root, to make a network namespace");
    return 1;
  }
  return RUN_ALL_TESTS();
}
