#include "audio/libav_log.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
}

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <utility>

namespace stemsmith {
namespace {

thread_local LibavWords words;

void Listen(void* speaker, int level, const char* format, va_list arguments) {
  if (level > AV_LOG_ERROR || speaker == nullptr) return;
  const AVClass* kind = *static_cast<AVClass**>(speaker);
  std::string* place = nullptr;
  if (kind == avcodec_get_class()) place = &words.decoder;
  if (kind == avformat_get_class()) place = &words.container;
  if (place == nullptr || !place->empty()) return;
  char text[200];
  std::vsnprintf(text, sizeof text, format, arguments);
  *place = text;
  std::replace(place->begin(), place->end(), '\n', ' ');
  while (!place->empty() && (place->back() == ' ' || place->back() == '.')) place->pop_back();
}

}  // namespace

void ListenToLibav() {
  static std::once_flag once;
  std::call_once(once, [] { av_log_set_callback(Listen); });
}

LibavWords TakeLibavWords() { return std::exchange(words, {}); }

}  // namespace stemsmith
