// How much of the C stack is left to the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__)
#  include <pthread.h>
#  include <sys/resource.h>
#elif defined(__APPLE__)
#  include <pthread.h>
#endif

namespace sauerkraut::resume {

// Where this thread's C stack ends; 0 where the system does not tell.
inline std::uintptr_t c_stack_end()
{
#if defined(__linux__)
  // For the main thread glibc reads all of /proc/self/maps, and the limit may be raised at any
  // time.
  thread_local rlim_t asked_under = 0;
  thread_local std::uintptr_t end = 0;
  rlimit limit{};
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && end != 0 && limit.rlim_cur == asked_under) {
    return end;
  }
  pthread_attr_t attributes;
  void* lowest = nullptr;
  std::size_t size = 0;
  end = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    if (pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
      end = reinterpret_cast<std::uintptr_t>(lowest);
    }
    pthread_attr_destroy(&attributes);
  }
  asked_under = limit.rlim_cur;
  return end;
#elif defined(__APPLE__)
  return reinterpret_cast<std::uintptr_t>(pthread_get_stackaddr_np(pthread_self())) -
         pthread_get_stacksize_np(pthread_self());
#else
  return 0;
#endif
}

// Bytes between here and the end of this thread's C stack; SIZE_MAX where the system does not tell.
inline std::size_t c_stack_left()
{
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t end = c_stack_end();
  return end != 0 && end < here ? here - end : SIZE_MAX;
}

}  // namespace sauerkraut::resume
