// LineChartSvg: one self-contained SVG text, no scripts, no outside fonts.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/picture.h"
#include "core/picture_axis.h"

namespace stemsmith {
namespace {

constexpr double kWidth = 860, kHeight = 460;
constexpr double kRight = 24, kBottom = 56, kTitleHeight = 44, kLegendRow = 22;
constexpr double kCharacter = 6.6;  // mean width at 12 px
constexpr std::array<const char*, 8> kColours = {"#2563c9", "#e0672b", "#2b9a66", "#8a56c2",
                                                 "#c2891a", "#1b9aaa", "#d1407c", "#69707d"};

struct Point {
  double x, y;
};
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Add(double value) { low = std::min(low, value), high = std::max(high, value); }
};

std::string Number(double value) {
  std::array<char, 64> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 1).ptr;
  return {text.data(), end};
}

std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters are not allowed in XML at all.
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

std::size_t Characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Text(double x, double y, const std::string& anchor, const std::string& style,
                 const std::string& text) {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" text-anchor=\"" + anchor + "\" " +
         style + ">" + Escape(text) + "</text>\n";
}

std::string Line(double x1, double y1, double x2, double y2, const std::string& colour) {
  return "<line x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) + "\" x2=\"" + Number(x2) +
         "\" y2=\"" + Number(y2) + "\" stroke=\"" + colour + "\"/>\n";
}

bool Usable(double x, double y, bool log_y) {
  return std::isfinite(x) && std::isfinite(y) && (!log_y || y > 0.0);
}

// The unbroken pieces of a series, log10 of y where the axis is logarithmic.
std::vector<std::vector<Point>> Pieces(const ChartSeries& series, bool log_y) {
  std::vector<std::vector<Point>> pieces(1);
  for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    if (Usable(series.x[i], series.y[i], log_y)) {
      pieces.back().push_back({series.x[i], log_y ? std::log10(series.y[i]) : series.y[i]});
    } else if (!pieces.back().empty()) {
      pieces.emplace_back();
    }
  }
  if (pieces.back().empty()) pieces.pop_back();
  return pieces;
}

// Many points per pixel: the lowest and the highest of each group stand for it, so that no peak is
// lost.
std::vector<Point> Thin(const std::vector<Point>& points) {
  constexpr std::size_t kGroups = 800;
  if (points.size() <= 4 * kGroups) return points;
  std::vector<Point> thin = {points.front()};
  for (std::size_t g = 0; g < kGroups; ++g) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(g * points.size() / kGroups);
    const auto end =
        points.begin() + static_cast<std::ptrdiff_t>((g + 1) * points.size() / kGroups);
    auto [low, high] =
        std::minmax_element(begin, end, [](const Point& a, const Point& b) { return a.y < b.y; });
    if (high < low) std::swap(low, high);
    thin.push_back(*low);
    thin.push_back(*high);
  }
  thin.push_back(points.back());
  return thin;
}

// Where there are very many points, the eye wants their trend: the mean over one part in a hundred.
constexpr std::size_t kManyPoints = 400;
std::vector<Point> Trend(const std::vector<Point>& points) {
  const std::size_t reach = points.size() / 200;  // to either side
  std::vector<Point> trend;
  double sum = 0;
  std::size_t begin = 0, end = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    // Near the ends the window shrinks on both sides, so that it stays centred.
    const std::size_t near = std::min({reach, i, points.size() - 1 - i});
    while (end < i + near + 1) sum += points[end++].y;
    while (begin < i - near) sum -= points[begin++].y;
    while (end > i + near + 1) sum -= points[--end].y;
    trend.push_back({points[i].x, sum / static_cast<double>(end - begin)});
  }
  return trend;
}

struct Tick {
  double position;  // on the axis, log10 where that is logarithmic
  std::string label;
};

std::vector<Tick> LinearTicks(const Range& range, int most) {
  const double step = NiceStep(range.high - range.low, most);
  std::vector<Tick> ticks;
  for (const double value : NiceTicks(range.low, range.high, most)) {
    ticks.push_back({value, TickLabel(value, step)});
  }
  return ticks;
}

std::string LogLabel(double value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 4)
          .ptr;
  return {text.data(), end};
}

std::vector<Tick> LogTicks(const Range& range) {
  const double decades = range.high - range.low;
  const int every = std::max(1, static_cast<int>(std::ceil(decades / 7.0)));
  std::vector<Tick> ticks;
  for (int power = static_cast<int>(std::floor(range.low)); power <= range.high; power += every) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1.0 && decades > 2.5) continue;
      const double position = power + std::log10(factor);
      if (position < range.low || position > range.high) continue;
      ticks.push_back({position, LogLabel(factor * std::pow(10.0, power))});
    }
  }
  if (ticks.size() >= 3) return ticks;
  // Less than a decade: even numbers, unevenly spaced.
  ticks.clear();
  const double low = std::pow(10.0, range.low), high = std::pow(10.0, range.high);
  for (const double value : NiceTicks(low, high, 6)) {
    if (value > 0) ticks.push_back({std::log10(value), TickLabel(value, NiceStep(high - low, 6))});
  }
  return ticks;
}

struct Entry {
  std::string name, colour;
  std::vector<std::vector<Point>> pieces;
  double legend_x = 0, legend_y = 0;
};

// Sets names side by side, in as many rows as they need; returns the height of all.
double PlaceLegend(std::vector<Entry>& entries, double left, double top) {
  if (entries.empty()) return 0;
  double x = left, y = top;
  for (Entry& entry : entries) {
    const double width = 30 + kCharacter * static_cast<double>(Characters(entry.name)) + 18;
    if (x > left && x + width > kWidth - kRight) x = left, y += kLegendRow;
    entry.legend_x = x;
    entry.legend_y = y;
    x += width;
  }
  return y - top + kLegendRow;
}

// A chart of one value still shows it in the middle.
void Widen(Range& range, double share) {
  if (range.low > range.high) range = {0.0, 1.0};
  double margin = share * (range.high - range.low);
  if (range.low == range.high) margin = range.low == 0.0 ? 1.0 : 0.1 * std::abs(range.low);
  range.low -= margin;
  range.high += margin;
}

}  // namespace

std::string LineChartSvg(const std::vector<ChartSeries>& series, const ChartOptions& options) {
  std::vector<Entry> entries;
  Range x_range, y_range;
  for (const ChartSeries& one : series) {
    Entry entry{one.name, kColours[entries.size() % kColours.size()], Pieces(one, options.log_y)};
    if (entry.pieces.empty()) continue;
    for (const auto& piece : entry.pieces) {
      for (const Point& point : piece) x_range.Add(point.x), y_range.Add(point.y);
    }
    entries.push_back(std::move(entry));
  }
  Widen(x_range, 0.0);
  Widen(y_range, 0.05);

  const std::vector<Tick> x_ticks = LinearTicks(x_range, 8);
  const std::vector<Tick> y_ticks = options.log_y ? LogTicks(y_range) : LinearTicks(y_range, 7);
  std::size_t longest = 1;
  for (const Tick& tick : y_ticks) longest = std::max(longest, tick.label.size());
  const double left =
      20 + kCharacter * static_cast<double>(longest) + (options.y_label.empty() ? 0 : 24);
  const double legend_top = options.title.empty() ? 14 : kTitleHeight;
  const double top = legend_top + PlaceLegend(entries, left, legend_top) + 10;
  const double plot_width = kWidth - kRight - left, plot_height = kHeight - kBottom - top;
  const auto px = [&](double x) {
    return left + plot_width * (x - x_range.low) / (x_range.high - x_range.low);
  };
  const auto py = [&](double y) {
    return top + plot_height * (1.0 - (y - y_range.low) / (y_range.high - y_range.low));
  };

  const std::string label_style = "font-size=\"12\" fill=\"#5b6270\"";
  std::string svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 460\" width=\"860\" "
      "height=\"460\" "
      "font-family=\"system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif\">\n"
      "<rect width=\"860\" height=\"460\" fill=\"#ffffff\"/>\n";
  if (!options.title.empty()) {
    svg += Text(left, 28, "start", "font-size=\"16\" font-weight=\"600\" fill=\"#20242c\"",
                options.title);
  }
  for (const Entry& entry : entries) {
    svg += "<line x1=\"" + Number(entry.legend_x) + "\" y1=\"" + Number(entry.legend_y + 7) +
           "\" x2=\"" + Number(entry.legend_x + 20) + "\" y2=\"" + Number(entry.legend_y + 7) +
           "\" stroke=\"" + entry.colour + "\" stroke-width=\"3\" stroke-linecap=\"round\"/>\n";
    svg += Text(entry.legend_x + 27, entry.legend_y + 11, "start",
                "font-size=\"12\" fill=\"#343a46\"", entry.name);
  }
  for (const Tick& tick : y_ticks) {
    svg += Line(left, py(tick.position), kWidth - kRight, py(tick.position), "#e8eaef");
    svg += Text(left - 8, py(tick.position) + 4, "end", label_style, tick.label);
  }
  for (const Tick& tick : x_ticks) {
    svg += Line(px(tick.position), kHeight - kBottom, px(tick.position), kHeight - kBottom + 5,
                "#b4bac5");
    svg += Text(px(tick.position), kHeight - kBottom + 19, "middle", label_style, tick.label);
  }
  svg += Line(left, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "#b4bac5");
  if (!options.x_label.empty()) {
    svg += Text(left + plot_width / 2, kHeight - 14, "middle", label_style, options.x_label);
  }
  if (!options.y_label.empty()) {
    const std::string x = "16", y = Number(top + plot_height / 2);
    svg += "<text x=\"" + x + "\" y=\"" + y + "\" text-anchor=\"middle\" transform=\"rotate(-90 " +
           x + " " + y + ")\" " + label_style + ">" + Escape(options.y_label) + "</text>\n";
  }
  const auto polyline = [&](const std::vector<Point>& points, const std::string& colour,
                            const std::string& width) {
    std::string line = "<polyline fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"" + width +
                       "\" stroke-linejoin=\"round\" stroke-linecap=\"round\" points=\"";
    for (const Point& point : points) line += Number(px(point.x)) + "," + Number(py(point.y)) + " ";
    line.back() = '"';
    return line + "/>\n";
  };
  for (const Entry& entry : entries) {
    for (const auto& piece : entry.pieces) {
      if (piece.size() == 1) {
        svg += "<circle cx=\"" + Number(px(piece[0].x)) + "\" cy=\"" + Number(py(piece[0].y)) +
               "\" r=\"3\" fill=\"" + entry.colour + "\"/>\n";
        continue;
      }
      const bool many = piece.size() > kManyPoints;
      if (many) svg += polyline(Thin(piece), entry.colour, "1\" stroke-opacity=\"0.28");
      svg += polyline(Thin(many ? Trend(piece) : piece), entry.colour, "1.8");
    }
  }
  return svg + "</svg>\n";
}

}  // namespace stemsmith
