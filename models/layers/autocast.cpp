#include "models/layers/autocast.h"

namespace stemsmith {

std::optional<at::ScalarType> AutocastType(at::DeviceType device) {
  // Tensors without data have none, and asking would be an error.
  if (!at::autocast::is_autocast_available(device) || !at::autocast::is_autocast_enabled(device))
    return std::nullopt;
  return at::autocast::get_autocast_dtype(device);
}

AutocastScope::AutocastScope(at::DeviceType device, std::optional<at::ScalarType> type, bool cache)
    : device_(device),
      enabled_(at::autocast::is_autocast_enabled(device)),
      cache_(at::autocast::is_autocast_cache_enabled()),
      type_(at::autocast::get_autocast_dtype(device)) {
  at::autocast::set_autocast_enabled(device, type.has_value());
  if (type) at::autocast::set_autocast_dtype(device, *type);
  at::autocast::set_autocast_cache_enabled(cache);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_cache_enabled(cache_);
  at::autocast::set_autocast_dtype(device_, type_);
  at::autocast::set_autocast_enabled(device_, enabled_);
}

}  // namespace stemsmith
