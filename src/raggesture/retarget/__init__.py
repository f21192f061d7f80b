"""Motion of other skeletons, read from BVH and carried over to SMPL-X: the file, the names of its joints, its rest pose, the motion."""
