/**
 * What the library reports: Flight Recorder events and the allocation log, which take numbers and know no block, and
 * the watch over objects that a program may drop.
 *
 * <p>May use: {@code background}, the vocabulary of {@code dev.mlxnative} and the JDK. Never: any other room.
 *
 * <p>To add an event, add it to {@code JfrEvents}, to {@code META-INF/mlx-native.jfc} and to the README's list.
 */
@NullMarked
package dev.mlxnative.internal.observe;

import org.jspecify.annotations.NullMarked;
