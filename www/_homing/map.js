// The world view: regions on an equirectangular graticule, and how each pair of them replicates. No coastlines, no tiles.
import { el, list, svg } from "./dom.js";
import { MARKS, link, standing } from "./regions.js";

const NORTH = 78;
const SOUTH = -58;
const MARGIN = { left: 36, right: 10, top: 10, bottom: 20 };
const SHELF = 54; // where regions without a location stand
const LETTER = 7.2;
const WIDEST = 900;

const isPlace = (place) => Number.isFinite(place?.lat) && Number.isFinite(place?.lon);
const degrees = (value, plus, minus) => (value === 0 ? "0°" : `${Math.abs(value)}°${value > 0 ? plus : minus}`);

function projection(width) {
  const inner = width - MARGIN.left - MARGIN.right;
  const height = (inner / 360) * (NORTH - SOUTH);
  return {
    inner,
    height,
    x: (lon) => MARGIN.left + ((Math.max(-180, Math.min(180, lon)) + 180) / 360) * inner,
    y: (lat) => MARGIN.top + ((NORTH - Math.max(SOUTH, Math.min(NORTH, lat))) / (NORTH - SOUTH)) * height,
  };
}

function graticule(plane) {
  const { x, y, inner, height } = plane;
  const lines = [svg("rect", { class: "sea", x: MARGIN.left, y: MARGIN.top, width: inner, height, rx: 3 })];
  const step = inner > 420 ? 30 : 60;
  const line = (name, x1, y1, x2, y2) => lines.push(svg("line", { class: name, x1, y1, x2, y2 }));
  const text = (anchor, x, y, what) => lines.push(svg("text", { class: "grid-label", "text-anchor": anchor, x, y }, what));
  for (let lon = -150; lon <= 150; lon += 30) {
    line(lon === 0 ? "grid main" : "grid", x(lon), y(NORTH), x(lon), y(SOUTH));
    if (lon % step === 0) text("middle", x(lon), y(SOUTH) + 14, degrees(lon, "E", "W"));
  }
  for (let lat = -30; lat <= 60; lat += 30) {
    line(lat === 0 ? "grid main" : "grid", x(-180), y(lat), x(180), y(lat));
    text("end", MARGIN.left - 5, y(lat) + 4, degrees(lat, "N", "S"));
  }
  for (const lat of [23.44, -23.44, 66.56]) line("grid circle", x(-180), y(lat), x(180), y(lat));
  return lines;
}

/** Where every region stands: by its location, or on a shelf below the map. */
function places(regions, width, plane) {
  const homeless = regions.filter((region) => !isPlace(region.location));
  const shelf = plane ? MARGIN.top + plane.height + MARGIN.bottom + 22 : 34;
  return regions.map((region) => {
    const at = homeless.indexOf(region);
    const point = at < 0 ? { x: plane.x(region.location.lon), y: plane.y(region.location.lat) } : { x: (width * (at + 0.5)) / homeless.length, y: shelf };
    return { region, ...point, state: standing(region) };
  });
}

/** A gentle arc, bent towards the pole that is nearer, so that links over a third region can be told apart. */
function arc(from, to, plane) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const side = dx < 0 ? -1 : 1;
  const southern = plane && (from.y + to.y) / 2 > plane.y(0) ? -1 : 1;
  const bend = Math.min(60, length * 0.16) * side * southern;
  const control = { x: (from.x + to.x) / 2 + (dy / length) * bend, y: (from.y + to.y) / 2 - (dx / length) * bend };
  const mix = (share, axis) => (1 - share) ** 2 * from[axis] + 2 * share * (1 - share) * control[axis] + share ** 2 * to[axis];
  const along = (share) => ({ x: mix(share, "x"), y: mix(share, "y") });
  return { path: `M${from.x} ${from.y}Q${control.x} ${control.y} ${to.x} ${to.y}`, along, middle: along(0.5) };
}

function links(points, plane) {
  const drawn = [];
  for (const [at, from] of points.entries()) {
    for (const to of points.slice(at + 1)) {
      const { state, says } = link(from.region, to.region);
      const { path, middle } = arc(from, to, plane);
      drawn.push(svg("path", { class: `link ${state}`, d: path }, svg("title", null, says)));
      if (state === "cut") {
        const cross = "M-4.5 -4.5L4.5 4.5M4.5 -4.5L-4.5 4.5";
        drawn.push(
          svg(
            "g",
            { class: "cut-mark", transform: `translate(${middle.x} ${middle.y})` },
            svg("circle", { r: 8 }),
            svg("path", { d: cross }),
            svg("title", null, says),
          ),
        );
      }
    }
  }
  return drawn;
}

const SHAPES = {
  good: () => svg("circle", { r: 5.5 }),
  warn: () => svg("path", { d: "M0 -7.5L7 5.5H-7Z" }),
  bad: () => svg("path", { d: "M-5 -5L5 5M5 -5L-5 5" }),
  off: () => svg("rect", { x: -5, y: -5, width: 10, height: 10 }),
};

function marks(points) {
  return points.map(({ x, y, region, state }) => {
    const ring = region.default_home ? svg("circle", { class: "ring", r: 11 }) : "";
    const title = svg("title", null, `${region.name}: ${state.word}${region.default_home ? ", default home" : ""}`);
    return svg(
      "g",
      { class: `point ${state.level}`, transform: `translate(${x} ${y})` },
      svg("circle", { class: "halo", r: 13 }),
      ring,
      SHAPES[state.level](),
      title,
    );
  });
}

const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** Where lines run and points stand, as small boxes that a name had better not cover. */
function obstacles(points, plane) {
  const boxes = points.map(({ x, y }) => ({ x: x - 12, y: y - 12, w: 24, h: 24, weight: 20 }));
  for (const [at, from] of points.entries()) {
    for (const to of points.slice(at + 1)) {
      const { middle, along } = arc(from, to, plane);
      boxes.push({ x: middle.x - 8, y: middle.y - 8, w: 16, h: 16, weight: 8 });
      for (let share = 0; share <= 1; share += 0.02) boxes.push({ x: along(share).x, y: along(share).y, w: 1, h: 1, weight: 1 });
    }
  }
  return boxes;
}

/** Names beside their points, where they cover least. */
function names(points, plane, width, height) {
  const taken = obstacles(points, plane);
  return points.map(({ x, y, region, state }) => {
    const text = String(region.name);
    const w = text.length * LETTER + 4;
    const h = 17;
    const spots = [
      [15, -9],
      [-15 - w, -9],
      [-w / 2, 14],
      [-w / 2, -31],
      [10, 10],
      [-10 - w, 10],
      [10, -28],
      [-10 - w, -28],
    ].map(([dx, dy]) => ({ x: x + dx, y: y + dy, w, h }));
    const outside = (spot) => (spot.x < 0 || spot.x + w > width || spot.y < 0 || spot.y + h > height ? 1000 : 0);
    const cost = (spot) => taken.reduce((sum, box) => sum + (overlap(spot, box) ? box.weight : 0), outside(spot));
    const spot = spots.reduce((best, one) => (cost(one) < cost(best) ? one : best));
    taken.push({ ...spot, weight: 20 });
    return svg("text", { class: `name ${state.level}`, x: spot.x + w / 2, y: spot.y + 13, "text-anchor": "middle" }, text);
  });
}

function legend(points) {
  const seen = new Map(points.map(({ state }) => [state.word, state.level]));
  const sample = (state) => svg("svg", { class: "sample", viewBox: "0 0 26 10", "aria-hidden": "true" }, svg("path", { class: `link ${state}`, d: "M1 5H25" }));
  return el(
    "figcaption",
    { class: "muted small" },
    [...seen].map(([name, level]) => el("span", null, el("b", { class: level }, MARKS[level]), ` ${name}`)),
    el("span", null, el("b", null, "◯"), " default home"),
    el("span", null, sample("whole"), " replicates"),
    el("span", null, sample("cut"), " cut"),
    el("span", null, sample("unknown"), " not reported"),
  );
}

/** The world view, as wide as there is room for. */
export function world(snapshot, room) {
  const width = Math.min(room, WIDEST);
  const regions = list(snapshot.regions);
  if (!regions.length || width < 100) return [];
  const placed = regions.filter((region) => isPlace(region.location)).length;
  const plane = placed ? projection(width) : null;
  const shelf = placed < regions.length ? SHELF : 0;
  const height = (plane ? MARGIN.top + plane.height + MARGIN.bottom : 14) + shelf;
  const points = places(regions, width, plane);
  const title = `The world: ${points.map(({ region, state }) => `${region.name} ${state.word}`).join(", ")}. The cards say the same in words.`;
  const drawing = svg(
    "svg",
    { class: regions.length > 5 ? "dense" : "", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title },
    plane ? graticule(plane) : "",
    shelf ? svg("text", { class: "grid-label", x: 4, y: height - 4 }, "no location") : "",
    links(points, plane),
    marks(points),
    names(points, plane, width, height),
  );
  return [drawing, legend(points)];
}
