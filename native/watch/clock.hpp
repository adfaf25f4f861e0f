// The clock of every wait in here.
#pragma once

#include <chrono>

namespace sauerkraut::watch {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Seconds = std::chrono::duration<double>;

inline Clock::duration lasting(double seconds)
{
  return std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
}

}  // namespace sauerkraut::watch
