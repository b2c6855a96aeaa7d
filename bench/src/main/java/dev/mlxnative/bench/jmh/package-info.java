/**
 * JMH benchmarks of the pool's operations and of other allocators.
 *
 * <p>Each benchmark class answers one question. {@link dev.mlxnative.bench.jmh.Allocators} holds the allocators that
 * are compared. {@link dev.mlxnative.bench.jmh.Defaults} holds the JMH settings and the options of the JVM.
 */
@NullMarked
package dev.mlxnative.bench.jmh;

import org.jspecify.annotations.NullMarked;
