"""The body: joints, parts, rotations, forward kinematics, features."""
