#include "picture/picture_font.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace stemsmith {
namespace {

// Strokes of each character from ' ' to '~': points as two hexadecimal digits x y, '|' lifts the
// pen. Capitals reach from y = 0 to the baseline y = 9, small letters start at y = 3, descenders
// end at y = c.
constexpr std::array<const char*, 95> kGlyphs = {
    "",                                                    // space
    "00 06|09 09",                                         // !
    "00 02|20 22",                                         // "
    "20 19|50 49|03 63|06 56",                             // #
    "52 41 21 02 03 14 44 55 56 48 18 07|30 39",           // $
    "50 09|11 11|48 48",                                   // %
    "69 12 11 20 30 41 42 06 07 29 39 66",                 // &
    "00 02",                                               // '
    "20 03 07 2a",                                         // (
    "00 23 27 0a",                                         // )
    "21 27|02 46|42 06",                                   // *
    "05 45|23 27",                                         // +
    "18 19 0b",                                            // ,
    "05 35",                                               // -
    "09 09",                                               // .
    "0a 50",                                               // /
    "20 02 07 29 39 57 52 30 20",                          // 0
    "12 30 39",                                            // 1
    "02 20 30 52 53 09 59",                                // 2
    "01 20 30 52 53 34 24|34 56 57 39 29 08",              // 3
    "40 06 56|40 49",                                      // 4
    "50 10 04 34 56 57 39 19 08",                          // 5
    "41 30 20 02 07 29 39 57 56 34 24 06",                 // 6
    "00 50 19",                                            // 7
    "24 03 02 20 30 52 53 34 24 06 07 29 39 57 56 34",     // 8
    "18 29 39 57 52 30 20 02 03 25 35 53",                 // 9
    "04 04|09 09",                                         // :
    "14 14|18 19 0b",                                      // ;
    "42 05 48",                                            // <
    "04 44|06 46",                                         // =
    "02 45 08",                                            // >
    "02 20 30 52 53 25 26|29 29",                          // ?
    "68 49 29 07 02 20 50 72 75 66 55 53 33 25 26 37 55",  // @
    "09 30 69|16 56",                                      // A
    "00 40 51 53 44 04|44 65 68 49 09 00",                 // B
    "62 50 20 02 07 29 59 67",                             // C
    "00 40 62 67 49 09 00",                                // D
    "50 00 09 59|04 44",                                   // E
    "50 00 09|04 44",                                      // F
    "62 50 20 02 07 29 59 67 65 35",                       // G
    "00 09|60 69|04 64",                                   // H
    "00 09",                                               // I
    "40 47 29 19 07",                                      // J
    "00 09|60 05|23 69",                                   // K
    "00 09 59",                                            // L
    "09 00 46 80 89",                                      // M
    "09 00 69 60",                                         // N
    "20 02 07 29 49 67 62 40 20",                          // O
    "09 00 40 62 63 45 05",                                // P
    "20 02 07 29 49 67 62 40 20|46 69",                    // Q
    "09 00 40 62 63 45 05|35 69",                          // R
    "61 50 10 02 03 14 54 65 67 59 19 08",                 // S
    "00 60|30 39",                                         // T
    "00 07 29 49 67 60",                                   // U
    "00 39 60",                                            // V
    "00 29 42 69 80",                                      // W
    "00 69|60 09",                                         // X
    "00 35 60|35 39",                                      // Y
    "00 60 09 69",                                         // Z
    "20 00 0b 2b",                                         // [
    "00 5a",                                               // backslash
    "00 20 2b 0b",                                         // ]
    "03 20 43",                                            // ^
    "0b 5b",                                               // _
    "00 12",                                               // `
    "53 59|55 33 23 05 07 29 39 57",                       // a
    "00 09|05 23 33 55 57 39 29 07",                       // b
    "54 43 23 05 07 29 49 58",                             // c
    "50 59|55 33 23 05 07 29 39 57",                       // d
    "06 56 55 33 23 05 07 29 49 58",                       // e
    "40 30 12 19|03 33",                                   // f
    "53 5b 3c 1c|55 33 23 05 07 29 39 57",                 // g
    "00 09|05 23 33 55 59",                                // h
    "03 09|00 00",                                         // i
    "13 1b 0c|10 10",                                      // j
    "00 09|43 07|25 49",                                   // k
    "00 09",                                               // l
    "03 09|05 23 33 45 49|45 63 73 85 89",                 // m
    "03 09|05 23 33 55 59",                                // n
    "23 05 07 29 39 57 55 33 23",                          // o
    "03 0c|05 23 33 55 57 39 29 07",                       // p
    "53 5c|55 33 23 05 07 29 39 57",                       // q
    "03 09|05 23 33",                                      // r
    "44 33 13 04 05 16 36 47 48 39 19 08",                 // s
    "11 18 29 39|03 33",                                   // t
    "03 07 29 39 57|53 59",                                // u
    "03 29 43",                                            // v
    "03 29 44 69 83",                                      // w
    "03 49|43 09",                                         // x
    "03 29|43 1c 0c",                                      // y
    "03 43 09 49",                                         // z
    "30 21 24 05 26 2a 3b",                                // {
    "00 0b",                                               // |
    "00 11 14 35 16 1a 0b",                                // }
    "06 15 36 45",                                         // ~
};
constexpr char kBox[] = "00 50 59 09 00";
constexpr double kCapUnits = 9.0;
constexpr double kGapUnits = 2.6;
constexpr double kSpaceUnits = 3.0;

int Digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

// The characters as strokes; a byte that goes on with a UTF-8 character is left out.
std::vector<const char*> Glyphs(const std::string& text) {
  std::vector<const char*> glyphs;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) == 0x80) continue;
    glyphs.push_back(byte >= 0x20 && byte < 0x7f ? kGlyphs[byte - 0x20] : kBox);
  }
  return glyphs;
}

double GlyphUnits(const char* glyph) {
  if (*glyph == '\0') return kSpaceUnits;
  int widest = 0;
  for (const char* p = glyph; *p != '\0'; p += p[2] == '\0' ? 2 : 3) {
    widest = std::max(widest, Digit(p[0]));
  }
  return widest + kGapUnits;
}

double DistanceToSegment(double x, double y, double ax, double ay, double bx, double by) {
  const double dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
  const double along =
      length > 0 ? std::clamp(((x - ax) * dx + (y - ay) * dy) / length, 0.0, 1.0) : 0.0;
  return std::hypot(x - ax - along * dx, y - ay - along * dy);
}

struct Segment {
  double ax, ay, bx, by;
};

}  // namespace

Bitmap::Bitmap(int w, int h, Colour background)
    : width(w), height(h), pixels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3) {
  FillRectangle(0, 0, w, h, background);
}

void Bitmap::Set(int x, int y, Colour colour) { Blend(x, y, colour, 1.0); }

void Bitmap::Blend(int x, int y, Colour colour, double share) {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  std::uint8_t* pixel = &pixels[3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                                     static_cast<std::size_t>(x))];
  const auto mix = [share](std::uint8_t& old, std::uint8_t fresh) {
    old = static_cast<std::uint8_t>(std::lround(old + share * (fresh - old)));
  };
  mix(pixel[0], colour.red);
  mix(pixel[1], colour.green);
  mix(pixel[2], colour.blue);
}

void Bitmap::FillRectangle(int x, int y, int w, int h, Colour colour) {
  for (int j = y; j < y + h; ++j) {
    for (int i = x; i < x + w; ++i) Set(i, j, colour);
  }
}

double TextWidth(const std::string& text, double cap_height) {
  double units = 0;
  for (const char* glyph : Glyphs(text)) units += GlyphUnits(glyph);
  return units > 0 ? (units - kGapUnits) * cap_height / kCapUnits : 0.0;
}

void DrawText(Bitmap& bitmap, double x, double y, const std::string& text, double cap_height,
              Colour colour) {
  const double scale = cap_height / kCapUnits;
  const double half_stroke = 0.5 * std::max(1.0, 0.125 * cap_height);
  const double top = y - cap_height;
  for (const char* glyph : Glyphs(text)) {
    std::vector<Segment> segments;
    bool pen_down = false;
    double last_x = 0, last_y = 0;
    for (const char* p = glyph; *p != '\0'; p += p[2] == '\0' ? 2 : 3) {
      const double px = x + scale * Digit(p[0]), py = top + scale * Digit(p[1]);
      if (pen_down) segments.push_back({last_x, last_y, px, py});
      pen_down = p[2] == ' ';
      last_x = px;
      last_y = py;
    }
    const double width = scale * GlyphUnits(glyph);
    for (int j = static_cast<int>(top) - 2; j <= static_cast<int>(y + scale * 3) + 2; ++j) {
      for (int i = static_cast<int>(x) - 2; i <= static_cast<int>(x + width) + 2; ++i) {
        double nearest = 1e9;
        for (const Segment& s : segments) {
          nearest = std::min(nearest, DistanceToSegment(i + 0.5, j + 0.5, s.ax, s.ay, s.bx, s.by));
        }
        const double share = std::clamp(half_stroke + 0.5 - nearest, 0.0, 1.0);
        if (share > 0) bitmap.Blend(i, j, colour, share);
      }
    }
    x += width;
  }
}

}  // namespace stemsmith
