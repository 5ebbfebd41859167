// For tests of what the library asks of the kernel: under AddressSanitizer and ThreadSanitizer the process makes calls and
// mappings of their own, so that nothing can be said of the library's.
#pragma once

#include <gtest/gtest.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
namespace ringside {
inline constexpr bool kSanitized = true;
}
#define RINGSIDE_SKIP_UNDER_SANITIZERS() GTEST_SKIP() << "the sanitizer's own system calls and mappings are in the way"
#else
namespace ringside {
inline constexpr bool kSanitized = false;
}
#define RINGSIDE_SKIP_UNDER_SANITIZERS() static_assert(true)
#endif
