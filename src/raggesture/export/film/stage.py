"""The stage: floor, light and a body, drawn by OpenGL without a window (EGL), by the graphics card or by Mesa on the processor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import RaggestureError
from raggesture.export.film import shaders
from raggesture.export.film.camera import Camera, sunlight
from raggesture.export.film.look import BACKDROP, GROUND, LINE, Colour
from raggesture.export.film.poses import Pose
from raggesture.export.film.skins import Skin

TO_SUN = np.array([1.5, 3.4, 2.6]) / math.sqrt(1.5**2 + 3.4**2 + 2.6**2)
SUN_REACH_M = 1.35
_SHADOW_PX = 640
_NEAR_M, _FAR_M = 1.15, 7.0
_NEAR_ASIDE_M = -0.45 * TO_SUN[[0, 2]] / TO_SUN[1]
"""The near floor lies where the shadow falls."""
_FEET = ((7, 10), (8, 11))
_UNDER_M = 0.004
"""The far floor lies so much lower, so that it never shows through the near one."""
_BLUR_M = 0.045


class NoStageError(RaggestureError):
    """There is no OpenGL without a window here; a film of lines needs none."""


def _unit(colour: Colour) -> tuple[float, ...]:
    return tuple(channel / 255 for channel in colour)


def _by_columns(matrix: NDArray[np.float64]) -> bytes:
    return matrix.T.astype("f4").tobytes()


class Stage:
    """An OpenGL context with a picture of one size; ``close`` gives it back.

    Args:
        size: width and height in pixels. samples: per pixel, at edges (fewer where the driver has fewer).

    Raises:
        NoStageError: moderngl or EGL is missing, or the driver is too old.
    """

    def __init__(self, size: tuple[int, int], samples: int) -> None:
        self.context = _context()
        import moderngl

        try:
            self._build(size, samples)
        except moderngl.Error as fault:
            self.context.release()
            raise NoStageError(
                f"OpenGL: {' '.join(str(fault).split())}; expected a driver of OpenGL 3.3 - on Debian: apt-get install libgl1-mesa-dri"
            ) from fault

    def _build(self, size: tuple[int, int], samples: int) -> None:
        """The picture, the shadow's map, the floor."""
        context = self.context
        samples = min(samples, context.max_samples)
        colour = [context.renderbuffer(size, 4)]
        if samples > 1:  # what is resolved needs no depth, and copying it would cost as much as the colours
            self._plain = context.framebuffer(colour)
            self._smooth = context.framebuffer([context.renderbuffer(size, 4, samples=samples)], context.depth_renderbuffer(size, samples=samples))
        else:
            self._plain = self._smooth = context.framebuffer(colour, context.depth_renderbuffer(size))
        self._shade = context.depth_texture((_SHADOW_PX, _SHADOW_PX))
        self._shade.compare_func = "<="
        self._shade.filter = (context.LINEAR, context.LINEAR)
        self._shade.repeat_x = self._shade.repeat_y = False
        self._shadow = context.framebuffer(depth_attachment=self._shade)
        corners = context.buffer(np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], "f4").tobytes())
        self._far = self._floor(corners, _FAR_M, near=False)
        self._near = self._floor(corners, _NEAR_M, near=True)
        self._pixels = np.empty((size[1], size[0], 4), np.uint8)

    def close(self) -> None:
        """Give the context and all it holds back."""
        self.context.release()

    def _floor(self, corners: Any, reach_m: float, *, near: bool) -> Any:
        fragment = shaders.FLOOR_FRAGMENT.replace("#version 330", "#version 330\n#define NEAR" if near else "#version 330")
        program = self.context.program(shaders.FLOOR_VERTEX, fragment)
        program["reach"] = reach_m
        for name, colour in (("backdrop", BACKDROP), ("ground", GROUND), ("line", LINE)):
            program[name] = _unit(colour)
        program["aside"] = tuple(_NEAR_ASIDE_M) if near else (0.0, 0.0)
        if near:
            program["blur"] = _BLUR_M / (2 * SUN_REACH_M)
        return self.context.vertex_array(program, [(corners, "2f", "corner")])

    def draw(self, skin: Skin, pose: Pose, picture: int, camera: Camera, floor_m: float) -> NDArray[np.uint8]:
        """(height, width, 4) of one picture; the next is drawn over it."""
        context = self.context
        skin.put(pose, picture)
        self._light(skin, pose, camera, floor_m)
        context.enable_only(context.DEPTH_TEST)
        self._shadow.use()
        self._shadow.clear(depth=1.0)
        skin.cast.render()
        self._smooth.use()
        self._smooth.clear(*_unit(BACKDROP), 1.0, depth=1.0)
        self._shade.use(0)
        context.enable_only(context.DEPTH_TEST | context.CULL_FACE)
        context.front_face = "cw"  # the picture is upside down
        skin.lit.render()
        context.enable_only(context.DEPTH_TEST)
        self._near.render(context.TRIANGLE_STRIP)
        self._far.render(context.TRIANGLE_STRIP)
        if self._smooth is not self._plain:
            context.copy_framebuffer(self._plain, self._smooth)
        self._plain.read_into(self._pixels, components=4)
        return self._pixels

    def _light(self, skin: Skin, pose: Pose, camera: Camera, floor_m: float) -> None:
        sun, view = _by_columns(sunlight(TO_SUN, pose.centre, floor_m, SUN_REACH_M)), _by_columns(camera.matrix)
        skin.cast.program["sun"].write(sun)
        lit = skin.lit.program
        lit["sun"].write(sun)
        lit["camera"].write(view)
        lit["eye"] = tuple(camera.eye)
        lit["to_sun"] = tuple(TO_SUN)
        lit["floor_m"] = floor_m
        lit["texel"] = 1.1 / _SHADOW_PX
        for floor, below_m in ((self._near.program, 0.0), (self._far.program, _UNDER_M)):
            floor["camera"].write(view)
            floor["middle"] = (pose.centre[0], floor_m - below_m, pose.centre[1])
        near = self._near.program
        near["sun"].write(sun)
        near["feet"] = [tuple(pose.joints[[ankle, foot]][:, (0, 2)].ravel()) for ankle, foot in _FEET]
        near["heights"] = tuple(float(pose.joints[foot, 1]) - floor_m - 0.015 for _, foot in _FEET)


def _context() -> Any:
    try:
        import moderngl
    except ImportError as fault:
        raise NoStageError("moderngl: not installed; expected it for a film of the body - pip install -c constraints.txt 'raggesture[film]'") from fault
    try:
        create: Any = moderngl.create_context  # its type says that a backend's name were a dict
        return create(standalone=True, backend="egl", require=330)
    except Exception as fault:  # the loader raises its own bare Exception, and says why only there
        raise NoStageError(f"OpenGL: no EGL context ({fault}); expected a driver - on Debian: apt-get install libegl1 libgl1-mesa-dri") from fault
