// Colour maps for a dark room: silence is black, and brightness increases evenly with the level.

const STOPS = {
  ember: ["#000000", "#1b0b22", "#57153f", "#a52c46", "#e2603b", "#fbb061", "#fff6df"],
  moon: ["#000000", "#0b0e16", "#242b3a", "#525d70", "#8f9aa9", "#cfd4d8", "#ffffff"],
  deep: ["#000000", "#04121f", "#08344c", "#0f6a78", "#36a48f", "#a5dca0", "#fbffe6"],
  violet: ["#000000", "#0e0a23", "#32195e", "#6b2f95", "#ab55b0", "#e697bd", "#fff0f3"],
};

export const NAMES = Object.keys(STOPS);

// 256 colours as RGBA bytes.
export function palette(name) {
  const stops = (STOPS[name] ?? STOPS[NAMES[0]]).map((text) =>
    [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16)),
  );
  const colours = new Uint8ClampedArray(256 * 4);
  for (let level = 0; level < 256; level++) {
    const position = (level / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(position), stops.length - 2);
    const fraction = position - below;
    for (let c = 0; c < 3; c++) {
      colours[4 * level + c] = stops[below][c] * (1 - fraction) + stops[below + 1][c] * fraction;
    }
    colours[4 * level + 3] = 255;
  }
  return colours;
}
