"""The picture: a sky, an airfield, a horse and an airliner of the same length."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from . import shapes
from .canvas import Canvas, Colour, Gradient, Outline, Paint, Point, ellipse, mix
from .shapes import Leg, around, bend, hoof

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 600, 400
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
STEEL: Colour = (120, 124, 132)
LAMPLIGHT: Colour = (255, 226, 144)
RUNWAY = 350  # its height in the picture
SCALE = 3.15  # pixels per hundredth of the length of the Boeing 787, and of the horse
T = TypeVar("T")


def draw(prompt: str) -> bytes:
    """Draw the picture for a prompt, and return the bytes of a PNG file."""
    scene = Scene(prompt)
    scene.sky()
    scene.land()
    scene.horse()
    scene.airliner()
    return scene.canvas.png()


class Light(NamedTuple):
    """A time of day."""

    sky: tuple[Colour, Colour]  # above, and at the horizon
    hills: Colour
    grass: tuple[Colour, Colour]
    tint: tuple[Colour, float]  # tint of everything on the ground, and its share
    sun: tuple[float, float, Colour]  # position, as shares of the picture
    night: bool = False


LIGHTS = [
    Light(  # noon
        ((72, 150, 222), (208, 233, 246)),
        (126, 168, 160),
        ((132, 182, 94), (84, 142, 66)),
        (WHITE, 0.0),
        (0.87, 0.15, (255, 244, 190)),
    ),
    Light(  # early morning
        ((96, 124, 196), (255, 212, 176)),
        (152, 146, 172),
        ((152, 170, 100), (100, 130, 72)),
        ((255, 200, 150), 0.10),
        (0.13, 0.52, (255, 236, 190)),
    ),
    Light(  # sunset
        ((66, 78, 150), (255, 164, 104)),
        (112, 92, 132),
        ((132, 122, 76), (78, 86, 56)),
        ((255, 140, 80), 0.18),
        (0.86, 0.54, (255, 220, 140)),
    ),
    Light(  # full moon
        ((12, 18, 52), (74, 92, 152)),
        (38, 48, 90),
        ((46, 74, 78), (24, 44, 54)),
        ((24, 36, 90), 0.40),
        (0.86, 0.16, (240, 240, 222)),
        night=True,
    ),
    Light(  # a pale winter day
        ((126, 178, 200), (240, 241, 226)),
        (160, 188, 178),
        ((162, 188, 122), (108, 150, 88)),
        ((230, 240, 240), 0.08),
        (0.88, 0.14, (255, 253, 236)),
    ),
]
COATS: list[tuple[Colour, Colour]] = [  # the body; mane, tail and lower legs
    ((158, 94, 50), (46, 34, 32)),  # bay
    ((178, 98, 48), (202, 130, 72)),  # chestnut
    ((216, 170, 100), (248, 236, 210)),  # palomino
    ((158, 160, 168), (92, 94, 106)),  # grey
    ((74, 64, 68), (34, 29, 34)),  # black
    ((238, 233, 226), (208, 200, 192)),  # white
    ((126, 88, 66), (234, 216, 188)),  # silver
]
LIVERIES: list[Colour] = [
    (206, 54, 62),
    (28, 92, 168),
    (18, 136, 120),
    (238, 146, 40),
    (112, 62, 150),
]
CLOUD = [  # its puffs: x, y, and how wide and high
    (-34, 3, 18, 9),
    (-16, -4, 20, 15),
    (6, -9, 24, 19),
    (28, -2, 19, 13),
    (44, 4, 14, 7),
]


class Place(NamedTuple):
    """The position, size and direction of an object in the picture."""

    x: float
    ground: float
    scale: float
    mirrored: bool

    def at(self, x: float, y: float) -> Point:
        across = -self.scale if self.mirrored else self.scale
        return self.x + (x - 50) * across, self.ground - y * self.scale

    def put(self, outline: Outline) -> Outline:
        return [self.at(x, y) for x, y in outline]

    def gradient(self, top: float, above: Colour, bottom: float, below: Colour) -> Gradient:
        return Gradient(self.at(0, top)[1], above, self.at(0, bottom)[1], below)


class Scene:
    """A picture. Its random seed determines all choices, its light the colours of all shapes."""

    def __init__(self, seed: str) -> None:
        self.canvas = Canvas(WIDTH, HEIGHT)
        self._random = random.Random(seed.encode("utf-8", "surrogatepass"))
        self.light = self.pick(LIGHTS)
        self.mirrored = self.between(0, 1) < 0.5
        self.horizon = self.between(258, 272)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.between(0, len(choices)))]

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self._random.random()

    def lit(self, colour: Colour) -> Colour:
        return mix(colour, *self.light.tint)

    def fill(self, place: Place, outline: Outline, paint: Paint, opacity: float = 1.0) -> None:
        if isinstance(paint, Gradient):
            paint = paint._replace(above=self.lit(paint.above), below=self.lit(paint.below))
        else:
            paint = self.lit(paint)
        self.canvas.fill(place.put(outline), paint, opacity)

    def sky(self) -> None:
        light, canvas = self.light, self.canvas
        whole: Outline = [(0, 0), (WIDTH, 0), (WIDTH, HEIGHT), (0, HEIGHT)]
        canvas.fill(whole, Gradient(0, light.sky[0], self.horizon, light.sky[1]))
        x, y, colour = light.sun
        x, y = WIDTH * (1 - x if self.mirrored else x), HEIGHT * y
        if light.night:
            for _ in range(90):
                size = self.between(0.5, 1.4)
                star = ellipse(self.between(0, WIDTH), self.between(0, self.horizon - 20), size, size)
                canvas.fill(star, WHITE, self.between(0.3, 1))
        for radius, opacity in ((110.0, 0.06), (80.0, 0.08), (52.0, 0.12), (25.0, 1.0)):
            canvas.fill(ellipse(x, y, radius, radius), colour, opacity)
        if light.night:
            for dx, dy, radius in ((-9, -5, 5.0), (5, 5, 7.0), (8, -10, 3.5)):
                canvas.fill(ellipse(x + dx, y + dy, radius, radius * 0.9), (208, 208, 198), 0.7)
        for _ in range(4):
            self.cloud(self.between(0, WIDTH), self.between(30, 200), self.between(0.6, 1.3), 0.7)

    def cloud(self, x: float, y: float, size: float, opacity: float) -> None:
        white = mix(self.light.sky[1], WHITE, 0.2 if self.light.night else 0.75)
        shade = mix(white, self.light.sky[0], 0.2)
        puffs = [ellipse(x + dx * size, y + dy * size, rx * size, ry * size) for dx, dy, rx, ry in CLOUD]
        flat = [[(px, min(py, y + 7 * size)) for px, py in puff] for puff in puffs]
        self.canvas.fill_as_one(flat, Gradient(y - 26 * size, white, y + 8 * size, shade), opacity)

    def land(self) -> None:
        light, canvas, horizon = self.light, self.canvas, self.horizon
        for nearer, height in enumerate((46, 26)):
            shift, width = self.between(0, 6), self.between(60, 100)
            ridge: Outline = []
            for x in map(float, range(0, WIDTH + 8, 8)):
                waves = 0.3 * math.sin(x / width + shift) + 0.15 * math.sin(x / 23 + shift)
                ridge.append((x, horizon - height * (0.55 + waves)))
            hills = mix(light.hills, light.sky[1], 0.45 - 0.4 * nearer)
            canvas.fill([(0, horizon), *ridge, (WIDTH, horizon)], hills)
        far, near = light.grass
        meadow: Outline = [(0, horizon), (WIDTH, horizon), (WIDTH, HEIGHT), (0, HEIGHT)]
        canvas.fill(meadow, Gradient(horizon, far, RUNWAY, near))
        for _ in range(26):  # trees, each as tall as a house
            x, size = self.between(0, WIDTH), self.between(2.5, 5)
            y = horizon + self.between(0, 14)
            leaves = mix(mix(near, light.hills, self.between(0.1, 0.5)), BLACK, 0.12)
            canvas.fill(ellipse(x, y - size, size * 0.8, size * 1.2), leaves)
        self.tower()
        self.runway()

    def runway(self) -> None:
        canvas, asphalt, night = self.canvas, self.lit((112, 116, 124)), self.light.night
        strip: Outline = [(0, RUNWAY), (WIDTH, RUNWAY), (WIDTH, HEIGHT), (0, HEIGHT)]
        above, below = mix(asphalt, WHITE, 0.08), mix(asphalt, BLACK, 0.18)
        canvas.fill(strip, Gradient(RUNWAY, above, HEIGHT, below))
        for x in range(-20, WIDTH, 60):
            dash: Outline = [(x + 4, 391), (x + 36, 391), (x + 34, 394), (x, 394)]
            canvas.fill(dash, self.lit((236, 236, 228)), 0.9)
        for x in range(15, WIDTH, 45):
            lamp = (255, 226, 140) if night else self.lit((240, 240, 236))
            if night:
                canvas.fill(ellipse(x, RUNWAY + 1, 7, 4), lamp, 0.25)
            canvas.fill(ellipse(x, RUNWAY + 1, 1.6, 1.3), lamp)

    def tower(self) -> None:
        side = 0.93 if self.mirrored else 0.07
        place = Place(WIDTH * side, self.horizon + 22, scale=1, mirrored=self.mirrored)
        wall = mix((226, 224, 218), self.light.hills, 0.25)
        glass = LAMPLIGHT if self.light.night else (70, 104, 130)
        self.fill(place, [(28, 0), (28, 11), (118, 11), (118, 0)], wall)
        for x in range(32, 116, 7):
            window: Outline = [(x, 4), (x + 4, 4), (x + 4, 7), (x, 7)]
            self.canvas.fill(place.put(window), glass)
        self.fill(place, [(46, 0), (47, 36), (53, 36), (54, 0)], wall)
        self.canvas.fill(place.put([(43, 43), (57, 43), (54, 36), (46, 36)]), glass)
        self.fill(place, [(42, 43), (58, 43), (56, 45), (44, 45)], wall)
        self.fill(place, [(49.6, 45), (50.4, 45), (50.2, 53), (49.8, 53)], wall)

    def horse(self) -> None:
        place = Place(WIDTH / 2 + self.between(-25, 25), 340, SCALE, self.mirrored)
        coat, hair = self.pick(COATS)
        blaze, socks = self.between(0, 1) < 0.6, self.between(0, 1) < 0.4
        fore, hind, far_fore, far_hind = self.pick(shapes.POSES)
        shadow = place.put(ellipse(46, 2.5, 46, 3.4))
        self.canvas.fill(shadow, mix(self.light.grass[1], BLACK, 0.6), 0.55)

        belly = mix(coat, BLACK, 0.30)
        skin = place.gradient(92, mix(coat, WHITE, 0.14), 30, belly)
        near = place.gradient(36, belly, 16, mix(hair, coat, 0.2))
        far = place.gradient(50, mix(coat, BLACK, 0.42), 20, mix(hair, BLACK, 0.35))
        sock = (240, 236, 230) if socks else None

        self.leg(place, bend([(x + 4, y + 1.5, w) for x, y, w in shapes.FORELEG], far_fore), far, None)
        self.leg(place, bend([(x + 7, y + 1.5, w) for x, y, w in shapes.HIND_LEG], far_hind), far, None)
        self.fill(place, shapes.TAIL, mix(hair, BLACK, 0.12))
        self.fill(place, [(x + 3, y - 0.4) for x, y in shapes.EAR], mix(coat, BLACK, 0.35))
        self.leg(place, bend(shapes.HIND_LEG, hind), near, sock)
        self.leg(place, bend(shapes.FORELEG, fore), near, sock)
        self.fill(place, shapes.BODY, skin)
        self.fill(place, shapes.HAUNCH, skin)
        for muscle in (shapes.SHOULDER, shapes.STIFLE):
            self.fill(place, muscle, mix(coat, BLACK, 0.6), 0.17)
        self.fill(place, shapes.EAR, skin)
        self.fill(place, shapes.MANE, hair)
        self.face(place, coat, blaze=blaze)
        self.fill(place, shapes.FORELOCK, hair)
        if self.between(0, 1) < 0.75:  # on its raised head
            x, y = place.at(self.between(20, 60), self.between(34, 60))
            self.cloud(x, y, self.between(0.7, 1.0), 0.55)

    def leg(self, place: Place, leg: Leg, paint: Paint, sock: Colour | None) -> None:
        self.fill(place, around(leg), paint)
        if sock:
            self.fill(place, around(leg[-4:]), sock)
        self.fill(place, hoof(leg), (58, 50, 48))

    def face(self, place: Place, coat: Colour, *, blaze: bool) -> None:
        self.fill(place, ellipse(97.4, 70.6, 2.6, 3.2), mix(coat, (70, 56, 60), 0.55), 0.7)
        if blaze:
            self.fill(place, shapes.BLAZE, (244, 240, 234), 0.9)
        self.fill(place, shapes.MOUTH, mix(coat, BLACK, 0.55))
        self.fill(place, ellipse(98.3, 72.2, 0.7, 1.0), (34, 26, 28))  # nostril
        self.fill(place, ellipse(88.6, 85.6, 1.5, 1.25), mix(coat, BLACK, 0.5))  # eye
        self.fill(place, ellipse(88.8, 85.6, 1.1, 1.1), (24, 18, 20))
        self.fill(place, ellipse(89.2, 86.0, 0.4, 0.4), WHITE)
        self.fill(place, ellipse(85.6, 79.6, 3.4, 4.2), mix(coat, WHITE, 0.5), 0.10)  # cheek
        self.fill(place, shapes.INNER_EAR, mix(coat, BLACK, 0.4), 0.6)

    def airliner(self) -> None:
        place = Place(WIDTH / 2 + (40 if self.mirrored else -40), 393, SCALE, not self.mirrored)
        livery, night = self.pick(LIVERIES), self.light.night
        glass = LAMPLIGHT if night else (58, 78, 100)
        self.fill(place, ellipse(50, 0.4, 47, 1.6), BLACK, 0.35)
        self.fill(place, shapes.FAR_WING, (150, 156, 166))
        self.fill(place, shapes.FIN, livery)
        self.fill(place, shapes.FIN_STRIPE, mix(livery, WHITE, 0.45))
        for x in (89.0, 48.0, 52.5):
            self.fill(place, [(x - 0.4, 5), (x + 0.4, 5), (x + 0.4, 1), (x - 0.4, 1)], STEEL)
            self.fill(place, ellipse(x, 1.3, 1.4, 1.4), (36, 36, 40))
            self.fill(place, ellipse(x, 1.3, 0.5, 0.5), STEEL)
        self.fill(place, shapes.FUSELAGE, place.gradient(14, (252, 252, 252), 4, (186, 194, 208)))
        self.fill(place, shapes.STRIPE, livery)
        self.fill(place, shapes.TAILPLANE, (172, 178, 190))
        for i in range(38):
            x = 17 + i * 1.9
            window: Outline = [(x, 9.2), (x + 0.9, 9.2), (x + 0.9, 10.5), (x, 10.5)]
            if i not in {9, 19, 29}:
                self.canvas.fill(place.put(window), glass)
        for x in (34.2, 53.2, 72.2, 90.2):
            door: Outline = [(x, 7.6), (x + 1.3, 7.6), (x + 1.3, 11), (x, 11)]
            self.fill(place, door, (150, 158, 172), 0.8)
        self.canvas.fill(place.put(shapes.COCKPIT), glass)
        self.fill(place, shapes.ENGINE, mix(livery, WHITE, 0.15))
        self.fill(place, shapes.EXHAUST, STEEL)
        self.fill(place, ellipse(69.2, 4.2, 0.9, 2.5), (48, 50, 58))
        self.fill(place, shapes.WING, place.gradient(9, (206, 212, 222), 5, (142, 150, 164)))
        self.fill(place, shapes.WINGTIP, livery)
        if night:
            for x, y, colour in ((99.2, 6.6, (255, 250, 220)), (22.5, 10.4, (255, 70, 60))):
                for radius, opacity in ((6, 0.3), (1.8, 1)):
                    self.canvas.fill(ellipse(*place.at(x, y), radius, radius), colour, opacity)
