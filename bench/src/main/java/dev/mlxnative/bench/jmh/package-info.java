/**
 * What the pool's operations cost, measured with JMH, and what the same costs with other allocators.
 *
 * <p>Each class asks one question. {@link dev.mlxnative.bench.jmh.Allocators} has what is compared, and
 * {@link dev.mlxnative.bench.jmh.Defaults} how long and in which JVM it runs.
 */
@NullMarked
package dev.mlxnative.bench.jmh;

import org.jspecify.annotations.NullMarked;
