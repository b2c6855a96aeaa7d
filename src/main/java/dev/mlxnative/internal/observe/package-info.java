/**
 * What a pool reports: Flight Recorder events and the allocation log. Both take numbers and know no block.
 *
 * <p>May use: {@code background}, the vocabulary of {@code dev.mlxnative} and the JDK. Never: any other room.
 *
 * <p>To add an event, add it to {@code JfrEvents}, to {@code META-INF/mlx-native.jfc} and to the README's list.
 */
@NullMarked
package dev.mlxnative.internal.observe;

import org.jspecify.annotations.NullMarked;
