/**
 * Kernels of other projects: whether they compile, and whether their numbers are right.
 *
 * <p>{@link dev.mlxnative.bench.kernels.KernelsCommand} is the main class. The package uses the public API of the
 * library only. The projects' files are read from checkouts that the user names; nothing of them is kept here.
 */
@NullMarked
package dev.mlxnative.bench.kernels;

import org.jspecify.annotations.NullMarked;
