#include "waiting.hpp"

#include <utility>

namespace sauerkraut::capture {

namespace {

thread_local std::vector<std::pair<const void*, const FrameState*>> frames;

}  // namespace

const FrameState* waiting_state(const void* frame)
{
  for (auto found = frames.rbegin(); found != frames.rend(); ++found) {
    if (found->first == frame) {
      return found->second;
    }
  }
  return nullptr;
}

void Waiting::push(const void* frame, const FrameState* state)
{
  frames.emplace_back(frame, state);
}

void Waiting::pop(const void* frame)
{
  for (auto at = frames.end(); at != frames.begin();) {
    --at;
    if (at->first == frame) {
      frames.erase(at);
      return;
    }
  }
}

}  // namespace sauerkraut::capture
