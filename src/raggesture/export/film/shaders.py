"""The programs that draw on the graphics card, or on Mesa in its place: a body, its shadow, the floor.

Pictures are drawn upside down (``place.y`` is turned), since OpenGL reads them out from below.
"""

from __future__ import annotations

SKINNED = """
#version 330
layout(std140) uniform Bones { vec4 rows[BONES3]; };
in vec3 vertex; in vec3 normal; in vec3 colour; in uvec4 bones; in vec4 weights;
void body(out vec3 at, out vec3 facing) {
    vec4 r0 = vec4(0), r1 = vec4(0), r2 = vec4(0);
    for (int k = 0; k < 4; k++) {
        int row = int(bones[k]) * 3;
        r0 += weights[k] * rows[row]; r1 += weights[k] * rows[row + 1]; r2 += weights[k] * rows[row + 2];
    }
    vec4 p = vec4(vertex, 1);
    at = vec3(dot(r0, p), dot(r1, p), dot(r2, p));
    facing = vec3(dot(r0.xyz, normal), dot(r1.xyz, normal), dot(r2.xyz, normal));
}
"""
GIVEN = """
#version 330
in vec3 vertex; in vec3 normal; in vec3 colour;
void body(out vec3 at, out vec3 facing) { at = vertex; facing = normal; }
"""
SHADOW_VERTEX = """
uniform mat4 sun;
void main() {
    vec3 at, facing;
    body(at, facing);
    gl_Position = sun * vec4(at, 1);
}
"""
SHADOW_FRAGMENT = "#version 330\nvoid main() {}"
BODY_VERTEX = """
uniform mat4 camera; uniform mat4 sun; uniform float floor_m;
out vec3 v_at; out vec3 v_facing; out vec3 v_colour; out vec3 v_sun;
void main() {
    vec3 at, facing;
    body(at, facing);
    v_at = at; v_facing = facing; v_colour = colour;
    v_sun = (sun * vec4(at + 0.012 * normalize(facing), 1)).xyz * 0.5 + 0.5;
    gl_Position = camera * vec4(at, 1);
    gl_Position.y = -gl_Position.y;
    gl_ClipDistance[0] = at.y - floor_m;
}
"""
BODY_FRAGMENT = """
#version 330
uniform sampler2DShadow shade; uniform vec3 eye; uniform vec3 to_sun; uniform float floor_m; uniform float texel;
in vec3 v_at; in vec3 v_facing; in vec3 v_colour; in vec3 v_sun;
out vec4 pixel;
void main() {
    vec3 n = normalize(v_facing), view = normalize(eye - v_at);
    float lit = 0.25 * (texture(shade, v_sun + vec3(-texel, texel, 0)) + texture(shade, v_sun + vec3(texel, -texel, 0))
                      + texture(shade, v_sun + vec3(-texel, -texel, 0)) + texture(shade, v_sun + vec3(texel, texel, 0)));
    float sun = max(dot(n, to_sun), 0.0) * lit, up = n.y * 0.5 + 0.5, near = clamp((v_at.y - floor_m) * 1.4, 0.0, 1.0);
    vec3 sky = mix(vec3(0.17, 0.145, 0.12), vec3(0.33, 0.345, 0.37), up) * (0.72 + 0.28 * near);
    float edge = 1.0 - max(dot(n, view), 0.0), shine = max(dot(n, normalize(to_sun + view)), 0.0);
    shine *= shine; shine *= shine; shine *= shine; shine *= shine; shine *= shine;
    vec3 light = v_colour * (sky + vec3(1.12, 1.00, 0.84) * sun) + edge * edge * edge * vec3(0.10, 0.11, 0.14) * (0.3 + 0.7 * up);
    light += shine * 0.14 * lit;
    light = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14);
    light = clamp(light, 0.0, 1.0);
    vec3 root = sqrt(light);
    pixel = vec4(1.00817 * root + 0.06973 * sqrt(root) - 0.0798 * light, 1);  // to the power of 1 / 2.2, within half of an 8-bit step; pow costs a sixth of all
}
"""
LAID_VERTEX = """
#version 330
in vec2 corner;
void main() { gl_Position = vec4(corner, 0, 1); }
"""
LAID_FRAGMENT = """
#version 330
uniform sampler2DMS drawn; uniform ivec2 corner_px;
out vec4 pixel;
void main() {
    vec4 sum = vec4(0);
    for (int k = 0; k < SAMPLES; k++) sum += texelFetch(drawn, ivec2(gl_FragCoord.xy) - corner_px, k);
    pixel = sum / SAMPLES;
}
"""
FLOOR_VERTEX = """
#version 330
uniform mat4 camera; uniform mat4 sun;
in vec3 vertex;
out vec3 v_at; out vec3 v_sun;
void main() {
    v_at = vertex; v_sun = (sun * vec4(vertex, 1)).xyz * 0.5 + 0.5;
    gl_Position = camera * vec4(vertex, 1);
    gl_Position.y = -gl_Position.y;
}
"""
FLOOR_FRAGMENT = """
#version 330
#ifdef NEAR
uniform sampler2DShadow shade; uniform vec4 feet[2]; uniform vec2 aside; uniform float reach; uniform vec2 heights; uniform float blur;
in vec3 v_sun;
#endif
uniform vec3 middle; uniform vec3 backdrop; uniform vec3 ground; uniform vec3 line;
in vec3 v_at;
out vec4 pixel;
float stripe(float at) {
    float wide = max(fwidth(at), 1e-6);
    return clamp(1.0 - abs(fract(at + 0.5) - 0.5) / (wide * 0.9), 0.0, 1.0) * clamp(0.09 / wide, 0.0, 1.0);
}
float beside(vec2 p, vec4 foot) {
    vec2 way = foot.zw - foot.xy, off = p - foot.xy;
    float along = clamp(dot(off, way) / max(dot(way, way), 1e-6), -0.3, 1.5);
    return length(off - way * along);
}
void main() {
    float far = length(v_at.xz - middle.xz);
    vec3 shown = mix(ground, line, 0.75 * max(stripe(v_at.x * 2.0), stripe(v_at.z * 2.0)));
    #ifdef NEAR
    float lit = 0.0;
    for (int k = 0; k < 10; k++) {
        float turn = float(k) * 2.399963, out_m = sqrt((float(k) + 0.5) / 10.0) * blur;
        lit += texture(shade, v_sun + vec3(cos(turn) * out_m, sin(turn) * out_m, -0.001));
    }
    float dark = 0.34 * (1.0 - lit / 10.0);
    for (int k = 0; k < 2; k++) {
        float off = beside(v_at.xz, feet[k]) / 0.085;
        dark = 1.0 - (1.0 - dark) * (1.0 - 0.42 * exp(-off * off) * exp(-max(heights[k], 0.0) / 0.08));
    }
    shown *= 1.0 - dark * (1.0 - smoothstep(reach * 0.75, reach, length(v_at.xz - middle.xz - aside))) * vec3(0.92, 0.97, 1.0);
    #endif
    pixel = vec4(mix(shown, backdrop, smoothstep(1.2, 5.5, far)), 1);
}
"""
