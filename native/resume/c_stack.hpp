// How much of the C stack is left to the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__linux__) || defined(__APPLE__)
#  include <pthread.h>
#endif

namespace sauerkraut::resume {

// Bytes between here and the end of this thread's C stack; SIZE_MAX where the system does not tell.
inline std::size_t c_stack_left()
{
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  std::uintptr_t end = 0;
#if defined(__linux__)
  pthread_attr_t attributes;
  void* lowest = nullptr;
  std::size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    if (pthread_attr_getstack(&attributes, &lowest, &size) == 0) {
      end = reinterpret_cast<std::uintptr_t>(lowest);
    }
    pthread_attr_destroy(&attributes);
  }
#elif defined(__APPLE__)
  end = reinterpret_cast<std::uintptr_t>(pthread_get_stackaddr_np(pthread_self())) -
        pthread_get_stacksize_np(pthread_self());
#endif
  return end != 0 && end < here ? here - end : SIZE_MAX;
}

}  // namespace sauerkraut::resume
