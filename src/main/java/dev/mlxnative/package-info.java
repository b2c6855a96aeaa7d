/**
 * GPU memory for Java inference code on Apple silicon: Metal buffers, pooled.
 *
 * <p>{@link dev.mlxnative.MlxDevice} opens the GPU, {@link dev.mlxnative.MlxBuffer} is memory that CPU and GPU share,
 * {@link dev.mlxnative.MlxBufferPool} reuses it, {@link dev.mlxnative.MlxScope} returns the memory of a step at once,
 * and {@link dev.mlxnative.MlxFence} keeps memory from being reused while the GPU still reads it.
 *
 * <p>Sizes are {@code long} bytes. Every type may be used from any thread, virtual threads included, unless it says
 * otherwise. Bad arguments throw {@link java.lang.IllegalArgumentException} and misuse of a lifecycle
 * {@link java.lang.IllegalStateException}. If the machine refuses a request, it throws an
 * {@link dev.mlxnative.MlxException}.
 */
@NullMarked
package dev.mlxnative;

import org.jspecify.annotations.NullMarked;
