/**
 * Memory from the device, its buffer objects, residency sets, and fences of shared events.
 *
 * <p>{@code NativeDevice} is the source of memory; {@code MemorySource} is what a pool knows of it.
 *
 * <p>May use: {@code shim}, {@code background} and the vocabulary of {@code dev.mlxnative}. Never: {@code pool},
 * {@code observe}.
 *
 * <p>{@code DeviceMemory} has one owner at a time, and only the owner frees it.
 */
@NullMarked
package dev.mlxnative.internal.device;

import org.jspecify.annotations.NullMarked;
