#include "bindings/bindings.hpp"

NB_MODULE(_native, m)
{
  m.doc() = "The native core of sauerkraut: frames, control state and bytes.";
  sauerkraut::bindings::bind_errors(m);
  sauerkraut::bindings::bind_anchors(m);
}
