// Part of the module libstemsmith_libav.so: tags and cover of a file (audio/tags.h).
extern "C" {
#include <libavformat/avformat.h>
}

#include <cstring>
#include <memory>
#include <string>

#include "audio/libav_handles.h"
#include "audio/libav_log.h"
#include "audio/tags.h"

namespace stemsmith {
namespace {

// More is no text, and no picture, that people put into a song.
constexpr std::size_t kLongestText = std::size_t{64} << 10;
constexpr int kLargestCover = 16 << 20;

void AddTexts(const AVDictionary* dictionary, Tags& tags) {
  for (const TagRow& row : TagTable()) {
    const AVDictionaryEntry* entry = av_dict_get(dictionary, row.name, nullptr, 0);
    if (entry != nullptr && *entry->value != '\0' && std::strlen(entry->value) <= kLongestText)
      tags.texts.emplace_back(row.name, entry->value);
  }
}

}  // namespace
}  // namespace stemsmith

extern "C" __attribute__((visibility("default"))) void stemsmith_read_tags(
    const std::filesystem::path& path, stemsmith::Tags& tags) {
  using namespace stemsmith;
  ListenToLibav();
  AVFormatContext* raw = nullptr;
  if (avformat_open_input(&raw, ("file:" + path.string()).c_str(), nullptr, nullptr) < 0) return;
  const std::unique_ptr<AVFormatContext, CloseInput> input(raw);
  AddTexts(input->metadata, tags);
  for (unsigned s = 0; s < input->nb_streams; ++s) {
    const AVStream& stream = *input->streams[s];
    const bool is_audio = stream.codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    // Ogg has no others; elsewhere they are names of streams.
    if (is_audio && tags.texts.empty() && std::strcmp(input->iformat->name, "ogg") == 0)
      AddTexts(stream.metadata, tags);
    const AVPacket& picture = stream.attached_pic;
    if ((stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0 && tags.cover.empty() &&
        picture.size > 0 && picture.size <= kLargestCover)
      tags.cover.assign(reinterpret_cast<const char*>(picture.data),
                        static_cast<std::size_t>(picture.size));
  }
  TakeLibavWords();
}
