"""The stage: floor, light and a body, drawn by OpenGL without a window (EGL), by the graphics card or by Mesa on the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raggesture.errors import RaggestureError
from raggesture.export.film import shaders
from raggesture.export.film.camera import SUN_REACH_M, TO_SUN, Camera, sunlight
from raggesture.export.film.floor import Floor
from raggesture.export.film.look import BACKDROP
from raggesture.export.film.poses import Pose
from raggesture.export.film.skins import Skin

Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of the picture, in pixels."""
_SHADOW_PX = 640
_STEP_PX = 64
_CLIP_BELOW_FLOOR = 0x3000
"""OpenGL's GL_CLIP_DISTANCE0, which moderngl has no name for."""


class NoStageError(RaggestureError):
    """There is no OpenGL without a window here; a film of lines needs none."""


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
        limits = (context.info.get(f"GL_MAX_{what}_TEXTURE_SAMPLES", 1) for what in ("COLOR", "DEPTH"))
        samples = min(samples, context.max_samples, *limits)
        self._many: _Layer | None = None
        colour = [context.renderbuffer(size, 4)]
        if samples > 1:
            self._whole = context.framebuffer(colour)
            self._many = _Layer(context, size, samples)
        else:
            self._whole = context.framebuffer(colour, context.depth_renderbuffer(size))
        self._shade = context.depth_texture((_SHADOW_PX, _SHADOW_PX))
        self._shade.compare_func = "<="
        self._shade.filter = (context.LINEAR, context.LINEAR)
        self._shade.repeat_x = self._shade.repeat_y = False
        self._shadow = context.framebuffer(depth_attachment=self._shade)
        self._floor = Floor(context)
        self._pixels = np.empty((size[1], size[0], 4), np.uint8)

    def close(self) -> None:
        """Give the context and all it holds back."""
        self.context.release()

    def draw(self, skin: Skin, pose: Pose, picture: int, camera: Camera, floor_m: float) -> NDArray[np.uint8]:
        """(height, width, 4) of one picture; the next is drawn over it.

        The floor needs no more than one sample a pixel, its lines are soft by themselves; the body is drawn by itself with many, and laid over it.
        """
        context = self.context
        skin.put(pose, picture)
        sun = _by_columns(sunlight(TO_SUN, pose.centre, floor_m, SUN_REACH_M))
        self._light(skin, sun, camera, floor_m)
        context.enable_only(context.DEPTH_TEST | context.CULL_FACE)
        context.front_face = "ccw"
        self._shadow.use()
        self._shadow.clear(depth=1.0)
        skin.cast.render()
        self._shade.use(0)
        self._whole.use()
        self._whole.clear(*(channel / 255 for channel in BACKDROP), 1.0, depth=1.0)
        context.enable_only(context.NOTHING)
        self._floor.draw(pose, skin.hull, camera, sun, floor_m)
        if self._many is None:
            self._body(skin)
        else:
            box = camera.box(skin.hull)
            self._many.begin(box)
            self._body(skin)
            self._whole.use()
            self._many.lay(box)
        self._whole.read_into(self._pixels, components=4)
        return self._pixels

    def _body(self, skin: Skin) -> None:
        context = self.context
        context.enable_only(context.DEPTH_TEST | context.CULL_FACE)
        context.enable_direct(_CLIP_BELOW_FLOOR)  # the floor, which it does not meet in depth, hides what is below
        context.front_face = "cw"  # the picture is upside down
        skin.lit.render()
        context.disable_direct(_CLIP_BELOW_FLOOR)

    def _light(self, skin: Skin, sun: bytes, camera: Camera, floor_m: float) -> None:
        skin.cast.program["sun"].write(sun)
        lit = skin.lit.program
        lit["sun"].write(sun)
        lit["camera"].write(_by_columns(camera.matrix))
        lit["eye"] = tuple(camera.eye)
        lit["to_sun"] = tuple(TO_SUN)
        lit["floor_m"] = floor_m
        lit["texel"] = 1.1 / _SHADOW_PX


class _Layer:
    """A transparent picture with several samples a pixel, of a part of the whole one.

    Its size is that of the largest part so far, so that the time for clearing it goes with the body and not with the picture.
    """

    def __init__(self, context: Any, size: tuple[int, int], samples: int) -> None:
        self._context, self._whole, self._samples = context, size, samples
        self._size = (0, 0)
        self._held: tuple[Any, ...] = ()
        program = context.program(shaders.LAID_VERTEX, shaders.LAID_FRAGMENT.replace("SAMPLES", str(samples)))
        self._corners = context.buffer(reserve=4 * 8)
        self._quad = context.vertex_array(program, [(self._corners, "2f", "corner")])
        self._grow((1, 1))

    def _grow(self, size: tuple[int, int]) -> None:
        """Have room for a part of ``size``."""
        if size[0] <= self._size[0] and size[1] <= self._size[1]:
            return
        wanted = zip(size, self._size, self._whole, strict=True)
        width, height = (min(max(-(-new // _STEP_PX) * _STEP_PX, old), most) for new, old, most in wanted)
        for held in self._held:
            held.release()
        context, self._size = self._context, (width, height)
        self._colours = context.texture(self._size, 4, samples=self._samples)
        depths = context.depth_renderbuffer(self._size, samples=self._samples)
        self._buffer = context.framebuffer([self._colours], depths)
        self._held = self._buffer, self._colours, depths

    def begin(self, box: Box) -> None:
        """Clear it for a part of the picture, and draw here from now on."""
        left, top, right, bottom = box
        self._grow((right - left, bottom - top))
        self._buffer.use()
        self._buffer.viewport = (0, 0, *self._size)
        self._buffer.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._buffer.viewport = (-left, -top, *self._whole)  # so that pixels and their samples are those of the whole picture

    def lay(self, box: Box) -> None:
        """Lay it over what is in the framebuffer in use."""
        context = self._context
        ends = np.array(box).reshape(2, 2) / self._whole * 2 - 1
        self._corners.write(np.array([[ends[a, 0], ends[b, 1]] for b in (0, 1) for a in (0, 1)], "f4").tobytes())
        self._quad.program["corner_px"] = box[:2]
        context.enable_only(context.BLEND)
        context.blend_func = context.ONE, context.ONE_MINUS_SRC_ALPHA
        self._colours.use(0)
        self._quad.render(context.TRIANGLE_STRIP)


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
