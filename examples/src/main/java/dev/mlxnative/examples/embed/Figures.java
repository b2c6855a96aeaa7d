package dev.mlxnative.examples.embed;

import dev.mlxnative.PoolStats;
import dev.mlxnative.examples.minilm.MiniLm;

/**
 * Time and memory of a run.
 *
 * @param loadNanos the time for weights, vocabulary and kernels
 * @param nanos the time for all sentences after that
 * @param gpuNanos the part of it in which the GPU computed
 * @param parkedBytes the most memory that was parked after a batch was submitted
 * @param scratchBytes the most scratch memory of a batch
 */
record Figures(
        String device,
        MiniLm.Precision precision,
        int sentences,
        int batches,
        long tokens,
        long loadNanos,
        long nanos,
        long gpuNanos,
        long weightBytes,
        PoolStats afterFirstBatch,
        PoolStats afterLastBatch,
        long parkedBytes,
        long scratchBytes) {}
