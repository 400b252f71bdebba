"""The shapes of a horse and of a Boeing 787.

In its own units, each is 100 long, stands on y = 0 with y pointing up, and faces right.
"""

from __future__ import annotations

import math

from .canvas import Outline, smooth

# fmt: off

BODY = smooth(
    [
        (81.5, 94), (76, 90.5), (69.5, 81.5), (63, 71), (57, 65.5), (52, 64.2), (44, 61.2), (36, 60.8),
        (29, 63), (23, 63.4), (16.5, 60), (12.5, 53.5), (11.3, 46), (14, 38.5), (20, 37), (27, 40),
        (36, 36.8), (46, 34.6), (55, 34.2), (62, 36), (68, 40), (72.4, 46.5), (74.3, 53), (73.8, 59),
        (75.3, 66), (78.8, 73), (82, 76.5), (84.6, 75.2), (88.5, 73.8), (91.8, 70.8), (94.2, 67.4),
        (96.4, 66.6), (98.2, 68), (99.8, 69.6), (100.3, 72.6), (98.4, 76.4), (95, 81.5), (91.4, 87.2),
        (88, 91.6), (84.6, 94),
    ]
)
HAUNCH = smooth(
    [
        (20, 60), (13.5, 56), (11.3, 47), (12.2, 39), (13.4, 33), (14.4, 28.6), (19.4, 28.6), (23, 33),
        (27.5, 37.5), (30.5, 45), (29, 54),
    ]
)
EAR = smooth(
    [
        (81.2, 92), (81.2, 92), (80.4, 96.5), (82.2, 101), (82.2, 101), (85, 97), (85.2, 92.6),
        (85.2, 92.6),
    ]
)
INNER_EAR = smooth([(82.2, 93), (82, 97), (82.5, 99.4), (83.8, 96.6), (84, 93)])
MANE = smooth(
    [
        (84, 95.5), (78.5, 94), (72, 87), (65.5, 77), (60, 70), (55, 65.6), (58, 62), (58, 62), (61, 64.5),
        (62.5, 61), (62.5, 61), (65.5, 66), (68, 63.5), (68, 63.5), (69.5, 70.5), (72.6, 69), (72.6, 69),
        (73.2, 76), (76.6, 75.5), (76.6, 75.5), (76.8, 82), (80, 83), (80, 83), (81, 89),
    ]
)
FORELOCK = smooth(
    [(82.5, 95), (86.5, 95.4), (90.4, 90.6), (91, 85.6), (91, 85.6), (88.4, 88.4), (86.4, 88.4)]
)
SHOULDER = smooth(
    [(60.5, 62), (60.5, 62), (66.6, 54), (67.4, 46), (62, 39.6), (62, 39.6), (65.8, 46), (64.8, 54)]
)
STIFLE = smooth(
    [(28, 59), (28, 59), (31.8, 50), (30.4, 43), (24.6, 36.4), (24.6, 36.4), (28.8, 44), (29.8, 50)]
)
BLAZE = smooth([(92, 86), (95.6, 80.4), (98.6, 75.4), (97.4, 75), (94, 79.6), (91, 84.6)])
MOUTH: Outline = [(98.6, 68.9), (95.4, 69.9), (94.6, 70.5), (95.2, 69.4)]
TAIL = smooth(
    [
        (14.5, 57.5), (10, 60), (5, 57.5), (1.2, 50), (-0.6, 39), (0.2, 28), (-2.4, 16), (-2.4, 16),
        (3, 20), (4.4, 15), (4.4, 15), (6.6, 24), (6.2, 34), (6.6, 44), (9.6, 50), (13.5, 51),
    ]
)

FUSELAGE = smooth(
    [
        (100, 7.4), (99.4, 9), (97, 10.8), (94, 12.8), (90, 13.8), (84, 14.1), (60, 14.1), (30, 14.1),
        (16, 14), (6, 13.2), (0.4, 11.9), (0.4, 11), (8, 8.6), (18, 5.8), (28, 4.3), (40, 4), (70, 4),
        (88, 4), (95, 4.6), (98.8, 6),
    ]
)
STRIPE: Outline = [(1.4, 11), (14, 8.6), (30, 7), (98.8, 7), (97.6, 6.2), (30, 6.2), (16, 7.2)]
FIN = smooth(
    [
        (22, 13.6), (22, 13.6), (16, 16.6), (9.6, 27.4), (7.2, 29.4), (3, 29.6), (3, 29.6), (5.4, 12.6),
        (5.4, 12.6),
    ]
)
FIN_STRIPE: Outline = [(14.2, 19.6), (12.2, 23), (3.9, 23), (4.4, 19.6)]
TAILPLANE: Outline = [(15, 11.6), (8, 12), (-3, 15.6), (-4.4, 15.4), (1, 11.2), (7, 10.2)]
WING = smooth(
    [
        (64, 5.4), (64, 5.4), (52, 7.2), (36, 9), (22.5, 10.6), (22.5, 10.6), (32, 8), (41, 5), (44, 4.6),
        (44, 4.6),
    ]
)
WINGTIP: Outline = [(27, 10.1), (22.5, 10.6), (26.2, 9.6)]
FAR_WING: Outline = [(60, 12), (50, 15), (34, 17.4), (32, 17), (44, 12)]
ENGINE = smooth(
    [
        (69.4, 6.8), (69.4, 6.8), (64, 7), (58.4, 6), (58.4, 6), (58.4, 2.6), (58.4, 2.6), (64, 1.4),
        (69.4, 1.7), (69.4, 1.7),
    ]
)
EXHAUST: Outline = [(58.6, 5.8), (55, 4.8), (55, 3.8), (58.6, 2.8)]
COCKPIT: Outline = [(97.9, 10), (95.2, 12), (92.2, 12), (93, 10.4), (95.4, 9.8)]

Leg = list[tuple[float, float, float]]  # joints: x, y and half the width
FORELEG: Leg = [
    (62, 49, 7), (65, 41, 5.4), (66, 33, 3.7), (66.2, 26.5, 2.9), (66.4, 23, 2.8), (66, 19, 2),
    (65.9, 12.5, 1.7), (65.9, 8.6, 2.2), (67.2, 5, 1.7), (67.9, 3, 2),
]
HIND_LEG: Leg = [
    (20, 40, 6.4), (18.6, 33.5, 5), (16, 28, 3.6), (13.6, 24.4, 3), (13.7, 20, 2.3), (14.2, 13, 1.9),
    (14.4, 8.6, 2.4), (15.9, 5, 1.8), (16.7, 3, 2.1),
]
# fmt: on

TOP, ELBOW, KNEE, HOCK, FORE_FETLOCK, HIND_FETLOCK = 0, 1, 4, 3, 7, 6

Bends = dict[int, float]  # joint and angle in degrees, positive for forwards
POSES: list[tuple[Bends, Bends, Bends, Bends]] = [  # near foreleg and hind leg, then those on the far side
    ({}, {}, {ELBOW: 8}, {TOP: -8}),  # standing
    ({ELBOW: -15}, {TOP: 10}, {ELBOW: 30, KNEE: -42, FORE_FETLOCK: -24}, {TOP: -15}),  # walking
    ({ELBOW: 58, KNEE: -98, FORE_FETLOCK: -34}, {TOP: -6}, {ELBOW: 2}, {TOP: 9}),  # prancing
]


def bend(leg: Leg, bends: Bends) -> Leg:
    for joint, degrees in bends.items():
        cx, cy, _ = leg[joint]
        sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        below = [
            (cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos, w) for x, y, w in leg[joint:]
        ]
        leg = [*leg[:joint], *below]
    return leg


def around(leg: Leg) -> Outline:
    """The outline of a leg."""
    left: Outline = []
    right: Outline = []
    for i, (x, y, w) in enumerate(leg):
        (ax, ay, _), (bx, by, _) = leg[max(0, i - 1)], leg[min(len(leg) - 1, i + 1)]
        share = w / math.hypot(bx - ax, by - ay)
        left.append((x - (by - ay) * share, y + (bx - ax) * share))
        right.append((x + (by - ay) * share, y - (bx - ax) * share))
    return smooth([*left, left[-1], right[-1], *reversed(right)], 4)


def hoof(leg: Leg) -> Outline:
    """The outline of the hoof, rotated with the last bone."""
    (ax, ay, _), (x, y, w) = leg[-2], leg[-1]
    turn = math.atan2(x - ax, ay - y) - math.atan2(0.7, 2)
    sin, cos = math.sin(turn), math.cos(turn)
    sides = [(-w - 0.3, 0.6), (w + 0.2, 1.0), (w + 1.9, -3.0), (-w - 0.6, -3.0)]
    return [(x + px * cos - py * sin, y + px * sin + py * cos) for px, py in sides]
