/**
 * Compiled kernels, command streams, and queues.
 *
 * <p>{@code CommandEncoder} and {@code DispatchEncoder} write the commands of a command buffer to an array, checked, in
 * the layout of {@code mlxshim.h}. {@code SubmissionQueue} hands them to the native library in one call.
 * {@code CommandBufferUse} is the use of memory by the command buffer, from the first command until its completion.
 *
 * <p>May use: {@code device}, {@code shim}, {@code observe}, {@code background} and the vocabulary of
 * {@code dev.mlxnative}. Never: {@code pool}.
 */
@NullMarked
package dev.mlxnative.internal.compute;

import org.jspecify.annotations.NullMarked;
