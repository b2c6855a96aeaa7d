/**
 * Daemon threads for work that no caller waits for. {@code DaemonThreads} starts one for work that blocks,
 * {@code DaemonTimer} has one for short tasks. Besides, what every room needs against failures that it does not cause:
 * {@code StackReserve} and {@code StackSafeLock} against a stack that overflows in the middle of a change, and
 * {@code Log} against loggers that throw.
 *
 * <p>May use: the JDK alone.
 *
 * <p>No thread outlives its work, and none refers to what the thread that started it belongs to: its context class
 * loader, inheritable thread-locals and thread group.
 */
@NullMarked
package dev.mlxnative.internal.background;

import org.jspecify.annotations.NullMarked;
