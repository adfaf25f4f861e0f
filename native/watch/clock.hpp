// The clock of every wait in here.
#pragma once

#include <chrono>

namespace sauerkraut::watch {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using Seconds = std::chrono::duration<double>;

// More than fits the clock, infinity included, is thirty years.
inline Clock::duration lasting(double seconds)
{
  constexpr double longest = 1e9;
  return std::chrono::duration_cast<Clock::duration>(
      Seconds(seconds < longest ? seconds : longest));
}

}  // namespace sauerkraut::watch
