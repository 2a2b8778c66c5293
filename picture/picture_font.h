// A small line font for text in pictures, drawn with smooth edges. Private to core/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace stemsmith {

struct Colour {
  std::uint8_t red = 0, green = 0, blue = 0;
};

// Rows of pixels, three bytes each, top left first.
struct Bitmap {
  Bitmap(int width, int height, Colour background);
  int width, height;
  std::vector<std::uint8_t> pixels;

  void Set(int x, int y, Colour colour);
  // Mixes the colour in by `share` in [0, 1]; outside of the picture nothing happens.
  void Blend(int x, int y, Colour colour, double share);
  void FillRectangle(int x, int y, int w, int h, Colour colour);
};

// Width in pixels of a line of text whose capitals are `cap_height` pixels high.
double TextWidth(const std::string& text, double cap_height);
// Draws text with its left end and baseline at (x, y). Printable ASCII; other characters are boxes.
void DrawText(Bitmap& bitmap, double x, double y, const std::string& text, double cap_height,
              Colour colour);

}  // namespace stemsmith
