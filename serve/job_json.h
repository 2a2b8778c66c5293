// Songs and jobs as the API shows them (serve/openapi.yaml).
#pragma once

#include <nlohmann/json.hpp>

#include "serve/jobs/job_store.h"

namespace stemsmith {

nlohmann::json SongJson(const StoredSong& song);
// `seconds_left` below 0: not known.
nlohmann::json JobJson(const StoredJob& job, double seconds_left);

}  // namespace stemsmith
