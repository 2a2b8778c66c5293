#include "datasets/doctor/report.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "core/length_text.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// Longer names push their line out of the columns, but not all others.
constexpr std::size_t kWidestName = 40;

const char* NameOf(Severity severity) { return severity == Severity::kError ? "error" : "remark"; }

// Characters of UTF-8 text, as far as columns go.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// One line, whatever a file is called.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

std::string Count(std::size_t count, const std::string& one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

using Row = std::vector<std::string>;

std::string Table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], std::min(Width(row[i]), kWidestName));
    }
  }
  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 == row.size()) break;
      const std::size_t width = Width(row[i]);
      text += std::string(widths[i] > width ? widths[i] - width : 0, ' ') + "  ";
    }
    text += '\n';
  }
  return text;
}

// Findings of one kind: of one severity and with one advice.
struct Alike {
  const Finding* first = nullptr;
  std::size_t count = 0;
  std::set<std::string> songs;
};

std::string SongOf(const Finding& finding) {
  return finding.split + (finding.song.empty() || finding.split.empty() ? "" : "/") + finding.song;
}

std::vector<Alike> GroupFindings(const std::vector<Finding>& findings, bool all) {
  std::vector<Alike> groups;
  std::map<std::tuple<Severity, std::string, std::string>, std::size_t> places;
  for (const Finding& finding : findings) {
    const auto [place, is_new] =
        places.try_emplace({finding.severity, finding.kind, finding.advice}, groups.size());
    if (is_new || all) groups.push_back({&finding, 0, {}});
    Alike& group = all ? groups.back() : groups[place->second];
    ++group.count;
    group.songs.insert(SongOf(finding));
  }
  return groups;
}

std::string FindingTable(const DoctorResult& result, bool all) {
  std::vector<Row> rows;
  std::size_t hidden = 0;
  for (const auto& [first, count, songs] : GroupFindings(result.findings, all)) {
    std::string text = first->what + (first->advice.empty() ? "" : "; " + first->advice);
    if (count > 1) {
      text += " [" + std::to_string(count) + " like this in " + Count(songs.size(), "song") + "]";
      hidden += count - 1;
    }
    rows.push_back({NameOf(first->severity), OneLine(SongOf(*first)), OneLine(first->stem),
                    OneLine(std::move(text))});
  }
  std::string text = Table(rows);
  if (hidden > 0)
    text += "… " + Option("all") + " lists the other " + std::to_string(hidden) + "\n";
  return text;
}

std::string TargetTable(const DoctorResult& result) {
  std::vector<Row> rows = {{"target", "split", "songs", "length", "sounds"}};
  for (const TargetAudio& target : result.targets) {
    for (const auto& [split, share] : target.splits) {
      const double sounds = share.hours > 0 ? 100 * share.sounding_hours / share.hours : 0;
      rows.push_back(
          {OneLine(target.name), split, std::to_string(share.songs),
           FormatDuration(3600 * share.hours),
           FormatDuration(3600 * share.sounding_hours) + Formatted(" (%.0f %%)", sounds)});
    }
  }
  return rows.size() > 1 ? Table(rows) : "";
}

std::size_t Songs(const DoctorResult& result) {
  std::size_t songs = 0;
  for (const auto& [split, count] : result.songs) songs += count;
  return songs;
}

}  // namespace

std::string DoctorText(const DoctorOptions& options, const DoctorResult& result, bool all) {
  std::string text = FindingTable(result, all);
  if (!text.empty()) text += '\n';
  const std::string targets = TargetTable(result);
  if (!targets.empty()) text += targets + '\n';
  text += OneLine(options.reader.root.string()) + ": " + Count(Songs(result), "song") + " (";
  text += JoinNames(result.songs, ", ", [](const auto& split) {
    return std::to_string(split.second) + " " + split.first;
  });
  text += "), " + LengthText(3600 * result.hours);
  std::string rates;
  for (const auto& [rate_hz, count] : result.sample_rates) {
    rates += (rates.empty() ? ", " : " and ") + std::to_string(rate_hz) + " Hz";
    if (result.sample_rates.size() > 1) rates += " (" + Count(count, "song") + ")";
  }
  text += rates + '\n';
  if (result.interrupted != 0) text += "stopped before all songs were examined: ";
  if (result.findings.empty()) {
    text += "nothing to fix\n";
  } else {
    text +=
        Count(result.errors(), "error") + " to fix, " + Count(result.remarks(), "remark") + '\n';
  }
  return text;
}

nlohmann::json DoctorJson(const DoctorOptions& options, const DoctorResult& result) {
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : result.findings) {
    findings.push_back({{"severity", NameOf(finding.severity)},
                        {"kind", finding.kind},
                        {"split", finding.split},
                        {"song", finding.song},
                        {"stem", finding.stem},
                        {"what", finding.what},
                        {"advice", finding.advice}});
    if (!finding.names.empty()) findings.back()["names"] = finding.names;
  }
  nlohmann::json targets = nlohmann::json::array();
  for (const TargetAudio& target : result.targets) {
    nlohmann::json splits = nlohmann::json::object();
    for (const auto& [split, share] : target.splits) {
      splits[split] = {
          {"songs", share.songs}, {"hours", share.hours}, {"sounding_hours", share.sounding_hours}};
    }
    targets.push_back({{"name", target.name}, {"splits", splits}});
  }
  nlohmann::json rates = nlohmann::json::object();
  for (const auto& [rate_hz, count] : result.sample_rates) rates[std::to_string(rate_hz)] = count;
  return {{"kind", options.kind},        {"root", options.reader.root.string()},
          {"songs", result.songs},       {"hours", result.hours},
          {"sample_rates", rates},       {"errors", result.errors()},
          {"remarks", result.remarks()}, {"findings", findings},
          {"targets", targets},          {"complete", result.interrupted == 0}};
}

}  // namespace stemsmith
